"""Celery and Kombu, imported whole and in one place.

Both import most of themselves at first use, with circles. Two threads that each begin somewhere
else can then meet, and Python hands one of them a module that is only half there. Whoever imports
this module waits for it to be whole.
"""

import celery.app.amqp  # noqa: F401 - what Celery would import later
from celery import Celery
from kombu import Connection, Consumer, Queue
from kombu.transport.redis import QoS  # a connection would import it later, by its name
from kombu.transport.virtual import Message

__all__ = ["Celery", "Connection", "Consumer", "NothingToRestore", "Queue", "UnreadMessage"]


class NothingToRestore(QoS):
    """For messages that are taken for good.

    Kombu would look for others that nobody has acknowledged, now and then, with a script that a
    careful administrator of Redis lets nobody run.
    """

    def restore_visible(self, *how: object, **more: object) -> None:
        """There is nothing to put back."""


class UnreadMessage(Message):
    """A message whose contents are dropped as it comes.

    Kombu unpacks what a message calls compressed before anybody asks for it, however large that
    gets; whoever can write to the broker could take all of a machine's memory so.
    """

    def __init__(self, payload: dict, channel: object = None, **more: object):
        super().__init__({"properties": payload["properties"]}, channel, **more)
