"""One function a page, one a button; the API they need is a port."""
