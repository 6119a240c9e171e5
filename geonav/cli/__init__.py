"""The command line: parse, call the pipeline, print. Nothing below this package prints or reads arguments."""
