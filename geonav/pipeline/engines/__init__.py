"""Who does the work of a long command: this process, or processes of a cluster; chosen by ``engine.name``."""
