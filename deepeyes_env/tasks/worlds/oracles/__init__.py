"""What scripted policies are made of: turn texts, programs that measure pictures, facts read from pages."""
