"""``geonav map``: what the references' pictures say of each other, brought together with what their sources say."""
