"""What is stored, and nothing about how it is made."""
