import { createServer } from 'node:net';
import { once } from 'node:events';
import { findSealBreach } from '../../../workers/agent/seal.ts';

describe('findSealBreach', () => {
  test('a canary that answers is a breach', async () => {
    const canary = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(canary, 'listening');
    const address = canary.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    expect(await findSealBreach({ kind: 'canary', host: '127.0.0.1', port: address.port })).toMatch(/network policy/);
    canary.close();
  });

  test('without a network the wrapper proves the seal', async () => {
    expect(await findSealBreach({ kind: 'noNetwork' })).toBeUndefined();
  });
});
