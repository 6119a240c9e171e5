"""A synthetic street: seeded, with exact poses, made by code; for tests and demonstrations.

    textures.py   noise and building materials as pictures
    atlas.py      every texture of a scene with its mip pyramid; filtered lookup
    design.py     what one house looks like, drawn from a seed
    elevation.py  the house's front as a picture
    openings.py   windows, doors and shop fronts as pictures
    relief.py     the house's front in depth: reveals, balconies, ledges, roof
    quads.py      the surfaces of a scene
    street.py     ground, cars and houses put together
    scene.py      StreetScene: the settings of a street
    render.py     what a camera sees of it; exact ray casts
    photo.py      light, sensor noise, JPEG
    poses.py      where references and queries are taken
    write.py      photos, COLMAP model and true poses on disk
    dataset.py    all of it for one street: write_dataset

The world is East-North-Up in metres with the ground at height 0.
"""
