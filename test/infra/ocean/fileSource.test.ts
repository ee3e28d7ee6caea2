import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { Interface } from 'ethers';
import type { ChainReader } from '../../../infra/ocean/chains.ts';
import { createFileChecksums } from '../../../infra/ocean/fileChecksums.ts';
import { parseFileObject } from '../../../infra/ocean/fileObject.ts';
import { createFileSource, type FileSource } from '../../../infra/ocean/fileSource.ts';
import { sha256Hex } from '../../../infra/ocean/ids.ts';
import { createGuardedFetcher, type GuardedFetcher } from '../../../infra/outbound/guardedFetch.ts';
import { startFileServer, type FileServer } from '../../support/fileServer.ts';

let server: FileServer;
let outbound: GuardedFetcher;
let source: FileSource;

const abi = new Interface(['function double(uint256 value) view returns (uint256)', 'function pair() view returns (uint256 a, string b)']);
/** a chain on which one contract doubles, pairs, and refuses everything else */
const chain = {
  callRaw: (_to: string, data: string) => {
    const call = abi.parseTransaction({ data });
    if (call?.name === 'double') return Promise.resolve(abi.encodeFunctionResult('double', [2n * (call.args[0] as bigint)]));
    if (call?.name === 'pair') return Promise.resolve(abi.encodeFunctionResult('pair', [2n ** 100n, 'x']));
    return Promise.resolve(null);
  },
} as unknown as ChainReader;

beforeAll(async () => {
  server = await startFileServer();
  const limits = { connectTimeoutMs: 2_000, headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 };
  outbound = createGuardedFetcher({ allowedNetworks: ['127.0.0.1'], ...limits });
  const gateway = server.serve('unused').replace(/\/files\/.*$/, '/');
  source = createFileSource({
    ...{ guardedFetch: outbound.fetch, ipfsGateway: gateway, arweaveGateway: `${gateway}files`, chains: new Map([[8996, chain]]) },
  });
});
afterAll(() => Promise.all([outbound.close(), server.close()]));

const readAll = async (stream: Readable): Promise<string> => Buffer.concat(await stream.toArray()).toString();
const open = (file: unknown, { start = 0, userdata }: { start?: number; userdata?: unknown } = {}) =>
  source.open(parseFileObject(file), { start, userdata, signal: AbortSignal.timeout(5_000) });
const urlFile = (url: string, over: Readonly<Record<string, unknown>> = {}) => ({ type: 'url', url, ...over });

describe('open', () => {
  test('a file comes with its size', async () => {
    const { stream, sizeBytes, start } = await open(urlFile(server.serve('hello')));
    expect({ sizeBytes, start, text: await readAll(stream) }).toEqual({ sizeBytes: 5, start: 0, text: 'hello' });
  });

  test('a file goes on where it was broken off', async () => {
    const { stream, sizeBytes, start } = await open(urlFile(server.serve('hello')), { start: 3 });
    expect({ sizeBytes, start, text: await readAll(stream) }).toEqual({ sizeBytes: 5, start: 3, text: 'lo' });
  });

  test('a source that knows no ranges starts over, and says so', async () => {
    const url = server.serve((_req, res) => void res.end('hello'));
    const { stream, start } = await open(urlFile(url), { start: 3 });
    expect({ start, text: await readAll(stream) }).toEqual({ start: 0, text: 'hello' });
  });

  test('user data goes into the query of a GET, behind what the publisher fixed', async () => {
    const url = server.serve((req, res) => void res.end(req.url));
    const { stream } = await open(urlFile(`${url}?sig=a%20b`, { userdata: { fixed: 1 } }), {
      userdata: { fixed: 2, x: 'a&b', o: { p: 1 } },
    });
    expect(await readAll(stream)).toMatch(/\?sig=a%20b&fixed=1&x=a%26b&o=%7B%22p%22%3A1%7D$/);
  });

  test('user data becomes the JSON body of a POST, and the variables of a graphql query', async () => {
    const url = server.serve(async (req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(req, 'end');
      res.end(`${req.method} ${String(req.headers['x-key'])} ${Buffer.concat(chunks).toString()}`);
    });
    const headers = { 'x-key': 'k' };
    const post = await open(urlFile(url, { method: 'post', headers }), { userdata: { a: 1 } });
    expect(await readAll(post.stream)).toBe('POST k {"a":1}');
    const graphql = await open({ type: 'graphql', url, query: '{x}', headers }, { userdata: { a: 1 } });
    expect(await readAll(graphql.stream)).toBe('POST k {"query":"{x}","variables":{"a":1}}');
  });

  test('an arweave file is asked of the gateway', async () => {
    const id = server.serve('from arweave').split('/').at(-1)!;
    const { stream } = await open({ type: 'arweave', transactionId: id });
    expect(await readAll(stream)).toBe('from arweave');
  });

  test('a content path cannot climb out of the gateway’s folder', async () => {
    await expect(open({ type: 'ipfs', hash: '../files/0' })).rejects.toMatchObject({ name: 'SourceFailure', kind: 'permanent' });
  });

  test.each<[number, string]>([
    [400, 'permanent'],
    [401, 'permanent'],
    [403, 'permanent'],
    [404, 'permanent'],
    [410, 'permanent'],
    [408, 'transient'],
    [429, 'transient'],
    [500, 'transient'],
    [503, 'transient'],
  ])('status %d is a %s failure that names no address', async (status, kind) => {
    const url = server.serve((_req, res) => void res.writeHead(status).end(url));
    await expect(open(urlFile(url))).rejects.toMatchObject({ kind, message: `the data source answered with status ${status}` });
  });

  test('a forbidden address is a permanent failure, an unreachable one transient; neither is named', async () => {
    await expect(open(urlFile('http://169.254.169.254/latest/meta-data'))).rejects.toMatchObject({
      ...{ name: 'SourceFailure', kind: 'permanent', message: expect.not.stringContaining('169.254') },
    });
    await expect(open(urlFile('http://127.0.0.1:9/secret'))).rejects.toMatchObject({
      ...{ name: 'SourceFailure', kind: 'transient', message: expect.not.stringMatching(/127|secret/) },
    });
  });
});

describe('open, smart contracts', () => {
  const file = (name: string, inputs: readonly unknown[] = [], outputs: readonly unknown[] = [{ name: '', type: 'uint256' }]) => ({
    ...{ type: 'smartcontract', address: `0x${'ab'.repeat(20)}`, chainId: 8996 },
    abi: { type: 'function', stateMutability: 'view', name, inputs, outputs },
  });
  const double = file('double', [{ name: 'value', type: 'uint256' }]);

  test('a function’s result is the file, as JSON, with all digits', async () => {
    const { stream, sizeBytes } = await open(double, { userdata: { value: '1267650600228229401496703205376' } });
    const text = await readAll(stream);
    expect(text).toBe('2535301200456458802993406410752');
    expect(sizeBytes).toBe(text.length);
    const named = [
      { name: 'a', type: 'uint256' },
      { name: 'b', type: 'string' },
    ];
    expect(await readAll((await open(file('pair', [], named))).stream)).toBe('{"a":1267650600228229401496703205376,"b":"x"}');
  });

  test.each<[string, unknown, unknown, string]>([
    ['no parameters', double, null, 'Missing parameters'],
    ['missing parameters', double, { other: 1 }, 'Missing userparams: value'],
    ['parameters that do not fit', double, { value: 'x' }, 'the parameters do not fit the contract function'],
    ['a contract that refuses', file('unknown'), null, 'the contract refused the call'],
    ['an unknown chain', { ...double, chainId: 1 }, { value: 1 }, 'chain 1 is not served'],
  ])('%s', async (_name, value, userdata, message) => {
    await expect(open(value, { userdata })).rejects.toMatchObject({ kind: 'permanent', message });
  });
});

describe('digestsOf', () => {
  const create = (longestBytes: number, rememberMs = 60_000) => createFileChecksums(source, { longestBytes, timeoutMs: 5_000, rememberMs });
  const fileOf = (url: string) => parseFileObject(urlFile(url));

  test('digests come in the order of the files, and are remembered under their key', async () => {
    const urls = [server.serve('hello'), server.serve('world')];
    const checksums = create(100);
    const digests = await checksums.digestsOf('k', urls.map(fileOf), null);
    expect(digests.join('')).toBe(
      '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7',
    );
    await checksums.digestsOf('k', urls.map(fileOf), null);
    expect(urls.map((url) => server.requests(url))).toEqual([1, 1]);
    await checksums.digestsOf('other', urls.map(fileOf), null);
    expect(urls.map((url) => server.requests(url))).toEqual([2, 2]);
  });

  test('a file larger than the limit is refused, whether or not it says its size', async () => {
    const silent = server.serve((_req, res) => {
      res.write('hel');
      res.end('lo!');
    });
    for (const url of [server.serve('hello!'), silent]) {
      await expect(create(5).digestsOf(url, [fileOf(url)], null)).rejects.toMatchObject({
        kind: 'permanent',
        message: expect.stringMatching(/larger than 5 bytes/),
      });
      await expect(create(6).digestsOf(url, [fileOf(url)], null)).resolves.toEqual([sha256Hex('hello!')]);
    }
  });

  test('a failure is not remembered', async () => {
    let isDown = true;
    const url = server.serve((_req, res) => void (isDown ? res.writeHead(503).end() : res.end('up')));
    const checksums = create(100);
    await expect(checksums.digestsOf('k', [fileOf(url)], null)).rejects.toMatchObject({ kind: 'transient' });
    isDown = false;
    await expect(checksums.digestsOf('k', [fileOf(url)], null)).resolves.toEqual([sha256Hex('up')]);
  });
});
