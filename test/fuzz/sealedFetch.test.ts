import { text } from 'node:stream/consumers';
import { createGuardedFetcher } from '../../infra/outbound/guardedFetch.ts';
import { startFileServer, type FileServer } from '../support/fileServer.ts';
import { sealFetch } from './sealedFetch.ts';

let allowed: FileServer;
let witness: FileServer;
let asked: string[];
const outbound = createGuardedFetcher({
  ...{ allowedNetworks: ['127.0.0.1'], connectTimeoutMs: 2_000, headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 },
  lookup: async (name) => {
    asked.push(name);
    return ['127.0.0.1'];
  },
});

beforeAll(async () => {
  [allowed, witness] = await Promise.all([startFileServer(), startFileServer()]);
});
beforeEach(() => {
  asked = [];
});
afterAll(() => Promise.all([outbound.close(), allowed.close(), witness.close()]));

const get = (url: string) => sealFetch(outbound.fetch, allowed.origin)({ url, method: 'GET', headers: {} }, AbortSignal.timeout(5_000));

describe('the way out of an API that is fuzzed', () => {
  test('leads to the one server that is named', async () => {
    const { status, body } = await get(allowed.serve('hello'));
    expect([status, await text(body)]).toEqual([200, 'hello']);
  });

  test.each<[string, (port: string) => string]>([
    ['another server of this machine', (port) => `http://127.0.0.1:${port}/files/0`],
    ['its name', (port) => `http://localhost:${port}/files/0`],
    ['a name of its own', (port) => `http://data.example:${port}/files/0`],
    ['a public address', () => 'http://192.0.2.1/'],
    ['the same host by another scheme', () => allowed.origin.replace('http:', 'https:')],
    ['a user in the address', (port) => `${allowed.origin.replace('http://', 'http://x@')}.example:${port}/`],
    ['what is no address', () => 'http://['],
    ['an empty text', () => ''],
  ])('does not lead to %s: no name is looked up, and nothing is asked', async (_what, urlOf) => {
    const url = witness.serve('secret');
    await expect(get(urlOf(new URL(url).port))).rejects.toMatchObject({ name: 'OutboundRefused' });
    expect(asked).toEqual([]);
    expect(witness.requests(url)).toBe(0);
  });
});
