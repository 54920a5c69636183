"""The viewer of radiographs, wherever the studio shows some: window and level, zoom, two linked, favourites."""
