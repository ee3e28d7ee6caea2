/** `GET initialize` and `GET download`: files of access services. Classic Provider API §11. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { readUserdata } from '../node/accessQuery.ts';
import { deliverFile } from '../node/download.ts';
import { address, integer, isEmpty, required, requireFields } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, signedPart, textOf } from './requestData.ts';
import { classicAccessQuote } from './schemas.ts';
import { spendCall, verifyCall } from './signature.ts';

type Data = Readonly<Record<string, unknown>>;

const serviceRules = { documentId: [required], serviceId: [required] };
const initializeRules = { ...serviceRules, consumerAddress: [required, address], fileIndex: [integer] };
const downloadRules = { ...serviceRules, transferTxId: [required], fileIndex: [required, integer] };

/** The request as a classic Provider writes it into a text: single quotes, whatever they hold. */
const describePayload = (data: Data): string =>
  `{${Object.entries(data)
    .map(([name, value]) => `'${name}': ${typeof value === 'string' ? `'${value}'` : JSON.stringify(value)}`)
    .join(', ')}}`.slice(0, 2_000);

const readUserParameters = ({ userdata }: Data): unknown => (typeof userdata === 'string' ? readUserdata(userdata) : (userdata ?? null));

const readAccess = (data: Data) => ({
  reference: { documentId: textOf(data['documentId']) ?? '', serviceId: textOf(data['serviceId']) },
  consumerAddress: textOf(data['consumerAddress']) ?? '',
  transferTxId: textOf(data['transferTxId']),
  userdata: readUserParameters(data),
  payload: describePayload(data),
});

/** Everything that would refuse the download, except the order, refuses here already, so that nobody pays for nothing. */
export const initializeClassicAccess = ({ orders, ledger }: Pick<ClassicDeps, 'orders' | 'ledger'>): RequestHandler =>
  async function initializeClassicAccess(_req, res) {
    const { plain } = dataOf(res);
    requireFields(initializeRules, plain);
    const request = { ...readAccess(plain), fileIndex: isEmpty(plain['fileIndex']) ? null : Number(plain['fileIndex']) };
    const quote = await orders.access.initialize(request);
    const nonce = await ledger.nonceOf(request.consumerAddress.toLowerCase());
    res.set('Cache-Control', 'no-store').json('validOrder' in quote ? quote : { ...quote, nonce });
  };

/** Streams as fast as the client takes it; nothing of the file is kept. */
export const downloadClassic = (deps: ClassicDeps): RequestHandler =>
  async function downloadClassic(req, res) {
    const { exact, plain } = dataOf(res);
    const call = { data: exact, addressField: 'consumerAddress', message: signedPart(plain['documentId']), token: req.get('AuthToken') };
    const caller = await verifyCall(deps, call, downloadRules);
    await spendCall(deps, caller);
    const fileIndex = Number(plain['fileIndex']);
    const file = await deps.orders.access.authorize({ ...readAccess(plain), fileIndex });
    await deliverFile(file, `file-${fileIndex}`, req, res);
  };

const query = {
  documentId: z.string(),
  serviceId: z.string(),
  consumerAddress: z.string(),
  userdata: z.string().optional(),
};
const bytes = z.string().meta({ format: 'binary' });

export const classicInitializeRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/initialize',
  id: 'initialize',
  summary: 'What to order before a download',
  query: z.object({
    ...query,
    fileIndex: z.string().optional(),
    transferTxId: z.string().optional(),
    environment: z.string().optional(),
    validUntil: z.string().optional(),
  }),
  answers: { 200: { description: 'Datatoken and fee, or a good order', contentType: 'application/json', schema: classicAccessQuote } },
  refusals: [400, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), initializeClassicAccess(deps)],
};

export const classicDownloadRoute: ClassicRoute = {
  method: 'get',
  path: '/api/services/download',
  id: 'download',
  summary: 'A file of an ordered access service, whole or (Range) in part',
  description: 'Signed by who ordered it: `documentId + nonce`. The nonce is spent by the first fetch.',
  query: z.object({ ...query, fileIndex: z.string(), transferTxId: z.string(), nonce: z.string(), signature: z.string().optional() }),
  answers: {
    200: { description: 'The file', contentType: '*/*', schema: bytes },
    206: { description: 'The range', contentType: '*/*', schema: bytes },
  },
  refusals: [400, 405, 416, 503],
  refuseHead: true,
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), downloadClassic(deps)],
};
