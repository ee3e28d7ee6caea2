/** A Provider of somebody else, as far as jobs fetch from it: strict about signatures, nonces and orders. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getBytes, id, verifyMessage } from 'ethers';
import { sendContent } from './fileServer.ts';

/** One service with its files, and the order with which they may be fetched. */
export interface HeldService {
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId: string;
  readonly files: readonly (string | Buffer)[];
}

export interface LegacyProvider {
  readonly url: string;
  /** of the key that every order names */
  consumerAddress: string;
  /** last nonce by address */
  readonly nonces: Map<string, bigint>;
  /** downloads that were answered, in order */
  readonly downloads: URLSearchParams[];
  /** what the next downloads are answered with instead; one each */
  readonly troubles: { readonly status: number; readonly body: string }[];
  /** the same for questions about files */
  readonly listTroubles: number[];
  /** the most downloads that were looked at at the same time */
  mostAtOnce(): number;
  hold(service: HeldService): HeldService;
  close(): Promise<void>;
}

const readBody = async (req: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const piece of req) text += String(piece);
  return text;
};

const json = (res: ServerResponse, status: number, body: unknown): void => {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

/** As a Provider writes them. */
const invalid = (errors: object) => ({ errors, message: 'Validation error', success: false });

/** Starts one on 127.0.0.1. @param basePath where it is served, e.g. `/provider` */
export const startLegacyProvider = async (basePath = ''): Promise<LegacyProvider> => {
  const services: HeldService[] = [];
  const state = { now: 0, most: 0 };

  const judge = (query: URLSearchParams): { status: number; body: object } | Buffer => {
    const [address, nonce, documentId] = ['consumerAddress', 'nonce', 'documentId'].map((name) => query.get(name) ?? '');
    let signer = '';
    try {
      signer = verifyMessage(getBytes(id(`${documentId}${nonce}`)), query.get('signature') ?? '');
    } catch {
      // no signature
    }
    if (signer !== address) return { status: 400, body: invalid({ signature: ['Invalid signature provided.'] }) };
    const stored = provider.nonces.get(address) ?? 0n;
    if (BigInt(nonce!) < stored) {
      const text = `Invalid signature expected nonce (${stored}) > current nonce (${nonce}).`;
      return { status: 400, body: invalid({ signature: text }) };
    }
    // what the old database did with a nonce that is there already
    if (BigInt(nonce!) === stored) return { status: 503, body: { error: 'UNIQUE constraint failed' } };
    provider.nonces.set(address, BigInt(nonce!));
    const held = services.find((one) => one.documentId === documentId && one.serviceId === query.get('serviceId'));
    if (held === undefined) return { status: 400, body: { error: 'Cannot resolve DID' } };
    if (held.transferTxId !== query.get('transferTxId') || address !== provider.consumerAddress) {
      return { status: 400, body: { error: 'Order with tx_id could not be validated due to error: it is for somebody else' } };
    }
    const file = held.files[Number(query.get('fileIndex'))];
    return file === undefined ? { status: 400, body: { error: 'No such fileIndex' } } : Buffer.from(file);
  };

  const download = async (query: URLSearchParams, req: IncomingMessage, res: ServerResponse): Promise<void> => {
    state.now += 1;
    state.most = Math.max(state.most, state.now);
    // long enough for another request to arrive, if one may
    await new Promise((resolve) => setTimeout(resolve, 5));
    const trouble = provider.troubles.shift();
    const verdict = trouble ?? judge(query);
    state.now -= 1;
    if (Buffer.isBuffer(verdict)) {
      provider.downloads.push(query);
      sendContent(verdict, req, res);
    } else if (typeof verdict.body === 'string') res.writeHead(verdict.status).end(verdict.body);
    else json(res, verdict.status, verdict.body);
  };

  const list = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const trouble = provider.listTroubles.shift();
    if (trouble !== undefined) return json(res, trouble, { error: 'not now' });
    const { did, serviceId } = JSON.parse(await readBody(req)) as { did?: string; serviceId?: string };
    const held = services.find((one) => one.documentId === did && one.serviceId === serviceId);
    if (held === undefined) return json(res, 400, { error: 'Cannot resolve DID' });
    json(res, 200, held.files.map((_file, index) => ({ valid: true, index, type: 'url' }))); // prettier-ignore
  };

  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://here');
    const path = pathname.startsWith(basePath) ? pathname.slice(basePath.length) : '?';
    const serviceEndpoints = { fileinfo: ['POST', '/api/services/fileinfo'], download: ['GET', '/api/services/download'] };
    if (path === '/') json(res, 200, { software: 'Provider', version: '2.1.6', serviceEndpoints });
    else if (path === '/api/services/fileinfo' && req.method === 'POST') void list(req, res);
    else if (path === '/api/services/download' && req.method === 'GET') void download(searchParams, req, res);
    else json(res, 404, { error: '404 Not Found' });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const provider: LegacyProvider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${basePath}`,
    consumerAddress: '',
    nonces: new Map(),
    downloads: [],
    troubles: [],
    listTroubles: [],
    mostAtOnce: () => state.most,
    hold(service) {
      services.push(service);
      return service;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return provider;
};
