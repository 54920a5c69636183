"""Images as people have them: radiographs of hospitals, tables, archives of arrays, the Hub; and what is in them."""
