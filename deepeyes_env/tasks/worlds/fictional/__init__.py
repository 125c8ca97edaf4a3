"""A world that exists nowhere: people, places, companies and the pages about them, from one seed."""
