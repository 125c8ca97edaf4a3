"""Trajectories as one self-contained web page."""

from agents.viewer.page import render_page

__all__ = ["render_page"]
