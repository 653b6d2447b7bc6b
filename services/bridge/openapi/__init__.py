"""The description of all that the bridge answers, one file for each protocol; `front.document` puts them together."""
