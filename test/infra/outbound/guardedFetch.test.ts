import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import {
  createGuardedFetcher,
  type GuardedFetcher,
  type GuardedFetchOptions,
  type OutboundRequest,
} from '../../../infra/outbound/guardedFetch.ts';
import { OutboundFailed, OutboundRefused } from '../../../infra/outbound/outboundErrors.ts';

interface Witness {
  readonly port: number;
  readonly seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
}

const servers: Server[] = [];
const fetchers: GuardedFetcher[] = [];

afterEach(async () => {
  for (const fetcher of fetchers.splice(0)) await fetcher.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A real server that keeps what reached it. */
const startWitness = async (
  answer: (req: IncomingMessage, res: ServerResponse, port: number) => void,
  host = '127.0.0.1',
): Promise<Witness> => {
  const seen: Witness['seen'] = [];
  let port = 0;
  const listener: RequestListener = (req, res) => {
    void buffer(req).then((body) => {
      seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body: body.toString() });
      answer(req, res, port);
    });
  };
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, host);
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  return { port, seen };
};

const aFetcher = (options: Partial<GuardedFetchOptions> = {}): GuardedFetcher => {
  const fetcher = createGuardedFetcher({
    allowedNetworks: ['127.0.0.1'],
    connectTimeoutMs: 2_000,
    headersTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    ...options,
  });
  fetchers.push(fetcher);
  return fetcher;
};

const aRequest = (url: string, rest: Partial<OutboundRequest> = {}): OutboundRequest => ({ url, method: 'GET', headers: {}, ...rest });
const never = new AbortController().signal;
const answerOk = (_req: IncomingMessage, res: ServerResponse): void => void res.end('the data');

describe('createGuardedFetcher', () => {
  test('an allowed address is reached and its answer passed on', async () => {
    const witness = await startWitness((_req, res) => res.writeHead(206, { 'X-Two': ['a', 'b'] }).end('bytes'));
    const response = await aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/f?q=1`, { range: { start: 5, end: 9 } }), never);
    expect((await buffer(response.body)).toString()).toBe('bytes');
    expect(response).toMatchObject({ status: 206, headers: { 'x-two': 'a, b' } });
    expect(witness.seen[0]).toMatchObject({ url: '/f?q=1', headers: { range: 'bytes=5-9', 'accept-encoding': 'identity' } });
  });

  test.each([
    'http://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://0x7f000001:PORT/',
    'http://2130706433:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://0.0.0.0:PORT/',
    'http://localhost:PORT/',
    'http://localhost.:PORT/',
  ])('without an allowance %s reaches nobody', async (pattern) => {
    const witness = await startWitness(answerOk);
    const attempt = aFetcher({ allowedNetworks: [] }).fetch(aRequest(pattern.replace('PORT', String(witness.port))), never);
    await expect(attempt).rejects.toMatchObject({
      // whether the name with a final dot is known depends on the resolver
      name: pattern.includes('localhost.') ? expect.stringMatching(/^Outbound(Refused|Failed)$/) : 'OutboundRefused',
    });
    expect(witness.seen).toEqual([]);
  });

  test.each(['ftp://127.0.0.1/x', 'file:///etc/passwd', 'gopher://127.0.0.1', 'not a url', '', 'http://', 'data:text/plain,x'])(
    '%j is refused',
    async (url) => {
      await expect(aFetcher().fetch(aRequest(url), never)).rejects.toThrow(OutboundRefused);
    },
  );

  test('one forbidden address among those of a name refuses the name', async () => {
    const witness = await startWitness(answerOk);
    const fetcher = aFetcher({ lookup: async () => ['127.0.0.1', '10.0.0.1'] });
    await expect(fetcher.fetch(aRequest(`http://data.example:${witness.port}/`), never)).rejects.toThrow(OutboundRefused);
    expect(witness.seen).toEqual([]);
  });

  test('a name that resolves to another address at the second look gains nothing: there is one look', async () => {
    const witness = await startWitness(answerOk);
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    let lookups = 0;
    const fetcher = aFetcher({ lookup: async () => answers[lookups++] ?? [] });
    const response = await fetcher.fetch(aRequest(`http://rebinding.example:${witness.port}/`), never);
    await buffer(response.body);
    expect(lookups).toBe(1);
    expect(witness.seen[0]?.headers.host).toBe(`rebinding.example:${witness.port}`);
  });

  test('the next address is tried when the first takes no connection', async () => {
    const witness = await startWitness(answerOk);
    const fetcher = aFetcher({ allowedNetworks: ['127.0.0.0/8'], lookup: async () => ['127.0.0.9', '127.0.0.1'] });
    const response = await fetcher.fetch(aRequest(`http://data.example:${witness.port}/`), never);
    expect((await buffer(response.body)).toString()).toBe('the data');
  });

  test('a redirect to a forbidden address is refused', async () => {
    const inner = await startWitness(answerOk, '127.0.0.2');
    const outer = await startWitness((_req, res) => res.writeHead(302, { location: `http://127.0.0.2:${inner.port}/` }).end());
    await expect(aFetcher().fetch(aRequest(`http://127.0.0.1:${outer.port}/`), never)).rejects.toThrow(OutboundRefused);
    expect(inner.seen).toEqual([]);
  });

  test.each(['file:///etc/passwd', 'ftp://127.0.0.1/'])('a redirect to %s is refused', async (location) => {
    const outer = await startWitness((_req, res) => res.writeHead(302, { location }).end());
    await expect(aFetcher().fetch(aRequest(`http://127.0.0.1:${outer.port}/`), never)).rejects.toThrow(OutboundRefused);
  });

  test('a sixth redirect is refused', async () => {
    const witness = await startWitness((_req, res, port) => res.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end());
    await expect(aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`), never)).rejects.toThrow(/redirects more than 5 times/);
    expect(witness.seen).toHaveLength(6);
  });

  test("a file object's secrets do not follow a redirect to another origin, and do within one", async () => {
    const other = await startWitness(answerOk);
    const first = await startWitness((req, res) =>
      req.url === '/start'
        ? res.writeHead(307, { location: '/same' }).end()
        : res.writeHead(307, { location: `http://127.0.0.1:${other.port}/` }).end(),
    );
    const headers = { Authorization: 'Bearer secret', 'X-Api-Key': 'secret', Cookie: 'a=b', Accept: 'text/csv' };
    const response = await aFetcher().fetch(
      aRequest(`http://127.0.0.1:${first.port}/start`, { method: 'POST', headers, body: 'question', range: { start: 3 } }),
      never,
    );
    await buffer(response.body);
    expect(first.seen[1]?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-api-key': 'secret', cookie: 'a=b' });
    expect(other.seen[0]).toMatchObject({ method: 'POST', body: 'question', headers: { accept: 'text/csv', range: 'bytes=3-' } });
    expect(JSON.stringify(other.seen)).not.toMatch(/secret|a=b/);
  });

  test.each<[number, string, string]>([
    [301, 'GET', ''],
    [302, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', 'question'],
    [308, 'POST', 'question'],
  ])('after %i a POST goes on as %s', async (statusCode, method, body) => {
    const witness = await startWitness((req, res) =>
      req.url === '/' ? res.writeHead(statusCode, { location: '/next' }).end('moved') : res.end('ok'),
    );
    const response = await aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`, { method: 'POST', body: 'question' }), never);
    await buffer(response.body);
    expect(witness.seen[1]).toMatchObject({ url: '/next', method, body });
  });

  test('user name and password of a URL become basic authorization', async () => {
    const witness = await startWitness(answerOk);
    await buffer((await aFetcher().fetch(aRequest(`http://us%40er:p%3Aw@127.0.0.1:${witness.port}/`), never)).body);
    expect(witness.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('us@er:p:w').toString('base64')}`);
  });

  test("a file object's headers cannot name another host or change the framing", async () => {
    const witness = await startWitness(answerOk);
    const headers = { Host: 'metadata.internal', 'Transfer-Encoding': 'chunked', 'Content-Length': '99', Connection: 'upgrade' };
    await buffer((await aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`, { headers }), never)).body);
    expect(witness.seen[0]?.headers.host).toBe(`127.0.0.1:${witness.port}`);
    expect(witness.seen[0]?.body).toBe('');
  });

  test('a header with a line break is refused, not sent', async () => {
    const witness = await startWitness(answerOk);
    const attempt = aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`, { headers: { 'x-a': 'b\r\nx-c: d' } }), never);
    await expect(attempt).rejects.toThrow(OutboundRefused);
    expect(witness.seen).toEqual([]);
  });

  test('silence after the request ends in a failure worth a retry', async () => {
    const witness = await startWitness(() => undefined);
    const fetcher = aFetcher({ headersTimeoutMs: 100 });
    await expect(fetcher.fetch(aRequest(`http://127.0.0.1:${witness.port}/`), never)).rejects.toMatchObject({
      name: 'OutboundFailed',
      code: 'UND_ERR_HEADERS_TIMEOUT',
    });
  });

  test('silence in the body ends the body with an error', async () => {
    const witness = await startWitness((_req, res) => void res.writeHead(200, { 'content-length': '10' }).write('five '));
    const response = await aFetcher({ idleTimeoutMs: 100 }).fetch(aRequest(`http://127.0.0.1:${witness.port}/`), never);
    await expect(buffer(response.body)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });

  test('a lookup that never ends is given up', async () => {
    const fetcher = aFetcher({ connectTimeoutMs: 50, lookup: () => new Promise(() => undefined) });
    await expect(fetcher.fetch(aRequest('http://data.example/'), never)).rejects.toThrow(OutboundFailed);
  });

  test.each<[string, () => Promise<string[]>]>([
    ['refused connection', async () => ['127.0.0.1']],
    ['unknown name', async () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND secret.example'), { code: 'ENOTFOUND' }))],
    ['name without address', async () => []],
    ['private address', async () => ['10.0.0.1']],
  ])('no text about a %s tells host, path or query', async (_name, lookup) => {
    const closed = createTcpServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const err: unknown = await aFetcher({ lookup })
      .fetch(aRequest(`http://secret.example:${port}/path?signature=abc`), never)
      .catch((reason: unknown) => reason);
    expect(err).toBeInstanceOf(Error);
    const { message, cause } = err as Error;
    expect(message).not.toMatch(/secret|example|path|signature|127\.0|10\.0/);
    expect(message).not.toContain(String(port));
    expect(cause).toBeUndefined();
  });

  test('an abort ends the request', async () => {
    const witness = await startWitness(() => aborter.abort());
    const aborter = new AbortController();
    await expect(aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`), aborter.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  test('proxies named in the environment are not used', async () => {
    const proxy = await startWitness(answerOk);
    const witness = await startWitness(answerOk);
    const names = ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY'];
    for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
    try {
      await buffer((await aFetcher().fetch(aRequest(`http://127.0.0.1:${witness.port}/`), never)).body);
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect([proxy.seen.length, witness.seen.length]).toEqual([0, 1]);
  });
});
