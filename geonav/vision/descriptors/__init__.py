"""Global descriptors that look at pixels, one file a family; the registry imports a file only when it is asked for."""
