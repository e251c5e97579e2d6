"""The fake teacher's server speaks as openpi's does."""

from __future__ import annotations

import http.client

import numpy as np
from physical_ai_bridge.policy.msgpack_numpy import pack, unpack
from physical_ai_bridge.testing.teacher_server import TeacherServer
from websockets.sync.client import connect


def test_it_tells_that_it_is_well():
    with TeacherServer(lambda observation: {}, api_key='key') as server:
        client = http.client.HTTPConnection('127.0.0.1', server.port)
        client.request('GET', '/healthz')
        response = client.getresponse()
        assert (response.status, response.read()) == (200, b'OK\n')
        client.close()


def test_it_greets_with_its_metadata_and_answers_each_observation():
    def answer(observation):
        return {'actions': observation['state'][None] * 2.0}

    with TeacherServer(answer, metadata={'model': 'pi05'}) as server:
        with connect(server.url, compression=None, proxy=None) as client:
            assert unpack(client.recv()) == {'model': 'pi05'}
            for state in (np.ones(3), np.zeros(3)):
                client.send(pack({'state': state}))
                reply = unpack(client.recv())
                assert np.array_equal(reply['actions'], state[None] * 2.0)
                assert reply['server_timing'] == {'infer_ms': 1.5}
        assert len(server.observations) == 2
