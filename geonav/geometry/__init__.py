"""Frames, cameras and poses: numpy in, numpy out; no files, no network, no torch.

Conventions, here and everywhere in geonav:

* ``a_from_b`` maps coordinates of ``b`` to coordinates of ``a``.
* ``E`` is ``camera_from_world``, 4x4; the world is East-North-Up (ENU) in metres at the database's
  origin; a camera looks along +z, with x to the right and y down.
* The corner of the top-left pixel is (0, 0), its centre (0.5, 0.5).
* Azimuth is in degrees clockwise from true north; pitch is positive upwards; roll is positive when
  the camera is turned clockwise as seen from behind it.
"""
