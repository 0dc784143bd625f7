"""``ccpo bench advice``: does advice before training agree with what training found?"""
