"""Convolutional networks in plain torch, their parameters named as torchvision names them."""
