"""A printer that is its own MQTT broker, in the manner of Bambu Lab's machines.

    storage.py       files on the printer          archive.py      print files: 3MF archives, plain G-code
    mover.py         heaters, axes, lines that run course.py       the life of one print, in time
    status.py        what it shows: full, deltas   requests.py     what it is asked, and its echoes
    printer.py       all of it, without I/O and clock              panel.py        people, the cloud, bad luck
    faults.py        named bad luck                ledger.py       physical starts

    mqtt_packets.py, mqtt_session.py    the broker's side of MQTT 3.1.1, without I/O
    ftp_session.py                      what is said on an FTP control connection, without I/O
    broker.py, ftps.py, certificates.py real endpoints
    command_line.py                     `firmware-sim bambu`

Written from what is published and measured of these machines, not from a gateway's code.
"""
