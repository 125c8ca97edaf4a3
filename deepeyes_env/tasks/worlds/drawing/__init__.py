"""How pictures are drawn: an anti-aliased canvas, real fonts, scenery and emblems."""
