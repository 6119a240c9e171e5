"""The answers of geonav over HTTP, and a page that asks for them."""
