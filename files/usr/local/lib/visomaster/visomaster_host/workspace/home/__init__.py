"""Take all home, bring all back: what the program keeps, and what it made, as one zip and out of it again.

Such a zip comes from anywhere: a person's disk, another host, somebody who wishes us ill. So nothing in it is believed
until each file was unpacked beside and is what `visomaster-state.json` in the zip says of it.
"""
