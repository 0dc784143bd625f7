"""What runs outside of this process: the program, its tests, and who watches the time.

These modules import the standard library and each other alone. `start.py` runs them in a process
without site packages; nothing else imports them there.
"""
