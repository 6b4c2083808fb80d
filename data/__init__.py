"""Resources only: the demo site, its sample images and its routing rules; read with importlib.resources."""
