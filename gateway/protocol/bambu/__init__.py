"""Bambu Lab's LAN protocol: JSON over MQTT, to meaning and back. No I/O, no clock.

    bytes -> reading -> merging -> state       what the printer says of itself
                     -> replies                 what became of a request, ours or another client's
    requests -> bytes                           what it is asked
    ladder                                      whose print it is
    confirmation                                whether our start arrived
    codes, stages                               its numbers in words

Sources: OpenBambuAPI (mqtt.md), ha-bambulab, bambuddy, and recordings of an A1.
"""
