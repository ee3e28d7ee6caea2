import { once } from 'node:events';
import { connect } from 'node:net';
import { listenAsCanary } from '../../../workers/gateway/canary.ts';

describe('listenAsCanary', () => {
  test('takes a connection and ends it', async () => {
    const canary = await listenAsCanary('127.0.0.1', 0);
    const socket = connect(canary.port, '127.0.0.1');
    await once(socket, 'connect');
    await once(socket.resume(), 'close');
    await canary.close();
  });
});
