/** Every route of every description: open to everybody, with the reason, or how it is kept to its owner. */

import { base } from '../../../api/operator/ports.ts';
import { aStage } from '../operator/support/operatorWorld.ts';
import {
  adminProof,
  classicProof,
  nodeProof,
  operatorProof,
  v1Proof,
  type Ask,
  type AttackName,
  type Credential,
  type RightName,
} from './credentials.ts';
import { canary, type AuthorizationScene } from './scene.ts';

export const surfaces = ['node', 'v1', 'classic', 'operator'] as const;
export type Surface = (typeof surfaces)[number];

/** What is answered: a status, or a pattern of status and text with a blank between. */
export type Expected = number | RegExp;

/** A route that asks who it is. An attack that is not named is no attack here, with the reason in `without`. */
export interface OwnedRow {
  readonly surface: Surface;
  readonly id: string;
  /** what belongs to somebody */
  readonly object: string;
  readonly ask: (scene: AuthorizationScene, credential: Credential) => Ask;
  readonly refusals: Readonly<Partial<Record<AttackName, Expected>>>;
  readonly without?: string;
  /** what the owner is answered: the request is good but for who sends it */
  readonly grants: Readonly<Partial<Record<RightName, Expected>>>;
}

type Refusals = readonly [
  stranger: Expected | null,
  forged: Expected,
  token: Expected | null,
  beside: Expected,
  expired: Expected,
  dead: Expected,
  nothing: Expected,
];

/** In the order of `attacks`; null: no attack here. */
const refuse = (...[stranger, forged, token, beside, expired, dead, nothing]: Refusals): OwnedRow['refusals'] => ({
  ...(stranger !== null && { "another consumer's own signature": stranger }),
  "the owner's address under another's signature": forged,
  ...(token !== null && { 'a token of another address': token }),
  "a token of another address beside the owner's": beside,
  'an expired token of the owner': expired,
  'an invalidated token of the owner': dead,
  "nothing but the owner's address": nothing,
});

const withCanary = (status: number): RegExp => new RegExp(`^${status} [^]*${canary}`);
const services = '/api/services';
const raw = {
  meta: {
    rawcode: 'console.log(1)',
    container: { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: `sha256:${'a'.repeat(64)}` },
  },
};
const ownBytesOnly = 'whoever signs for themselves gets only what they send';
const ownTokenOnly = 'whoever signs for themselves makes a token of their own';

const nodeRow = (
  id: string,
  object: string,
  [method, path]: readonly [string, string],
  {
    command,
    ask,
    ...rest
  }: Pick<OwnedRow, 'refusals' | 'grants' | 'without'> & {
    readonly command: Parameters<typeof nodeProof>[2];
    readonly ask: (scene: AuthorizationScene) => {
      readonly query?: Readonly<Record<string, string>>;
      readonly json?: object;
      readonly text?: string;
    };
  },
): OwnedRow => ({
  ...{ surface: 'node', id, object, ...rest },
  ask: (scene, credential) => {
    const { fields, headers } = nodeProof(scene, credential, command);
    const { query, json, text } = ask(scene);
    if (json !== undefined) return { method, path, headers, body: { ...json, ...fields } };
    return { method, path, headers, query: { ...query, ...fields }, ...(text !== undefined && { body: text }) };
  },
});

const nodeRows: readonly OwnedRow[] = [
  nodeRow('readStatus', 'jobs', ['GET', `${services}/compute`], {
    command: { command: 'startCompute' },
    ask: ({ jobs }) => ({ query: { jobId: jobs.ended } }),
    refusals: {
      'a token of another address': /^200 \[\]$/,
      "a token of another address beside the owner's": /^200 \[\]$/,
      'an expired token of the owner': 401,
      'an invalidated token of the owner': 401,
    },
    without: 'signatures are not looked at: who knows an id or an address may see the public fields, as the Provider API has it',
    grants: { token: withCanary(200) },
  }),
  nodeRow('stopCompute', 'job', ['PUT', `${services}/compute`], {
    command: { command: 'stopCompute' },
    ask: ({ jobs }) => ({ query: { jobId: jobs.running } }),
    refusals: refuse(403, 401, 403, 401, 401, 401, 401),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  nodeRow('readResult', 'result', ['GET', `${services}/computeResult`], {
    command: { command: 'getComputeResult' },
    ask: ({ jobs }) => ({ query: { jobId: jobs.ended, index: '0' } }),
    refusals: refuse(403, 401, 403, 401, 401, 401, 401),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  nodeRow('streamLogs', 'log', ['GET', `${services}/computeStreamableLogs`], {
    command: { command: 'getComputeStreamableLogs' },
    ask: ({ jobs }) => ({ query: { jobId: jobs.running } }),
    refusals: refuse(403, 401, 403, 401, 401, 401, 401),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  nodeRow('startCompute', 'order', ['POST', `${services}/compute`], {
    command: { command: 'startCompute' },
    ask: ({ orders }) => ({ json: { environment: 'small', datasets: [orders.node], algorithm: raw, maxJobDuration: 60 } }),
    refusals: refuse(400, 401, 400, 401, 401, 401, 401),
    grants: { signature: 200 },
  }),
  nodeRow('startFreeCompute', 'name of the consumer', ['POST', `${services}/freeCompute`], {
    command: { command: 'freeStartCompute' },
    ask: () => ({ json: { environment: 'small', datasets: [], algorithm: raw } }),
    refusals: refuse(null, 401, null, 401, 401, 401, 401),
    without: 'whoever signs for themselves starts a job of their own',
    grants: { signature: 200, token: 200 },
  }),
  nodeRow('downloadFile', 'order', ['GET', `${services}/download`], {
    command: { command: 'download' },
    ask: ({ orders }) => ({ query: { ...orders.access, fileIndex: '0' } }),
    refusals: refuse(400, 401, 400, 401, 401, 401, 401),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  nodeRow('encrypt', 'name of the consumer', ['POST', `${services}/encrypt`], {
    command: { command: 'encrypt' },
    ask: () => ({ query: {}, text: 'bytes' }),
    refusals: refuse(null, 401, null, 401, 401, 401, 401),
    without: ownBytesOnly,
    grants: { signature: 200, token: 200 },
  }),
  nodeRow('decryptDocument', 'document for certain addresses', ['POST', `${services}/decrypt`], {
    command: { command: 'decryptDDO', field: 'decrypterAddress' },
    ask: ({ document }) => ({ json: { ...document, chainId: 8996 } }),
    // the address is part of what is asked, so a token alone asks for nothing
    refusals: refuse(403, 401, 400, 401, 401, 401, 401),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  nodeRow('createAuthToken', 'name of the consumer', ['POST', `${services}/auth/token`], {
    command: { command: 'createAuthToken', field: 'address' },
    ask: () => ({ json: {} }),
    refusals: refuse(null, 401, 400, 400, 400, 400, 400),
    without: ownTokenOnly,
    grants: { signature: 200 },
  }),
  nodeRow('invalidateAuthToken', 'token', ['POST', `${services}/auth/token/invalidate`], {
    command: { command: 'invalidateAuthToken', field: 'address' },
    ask: ({ tokens }) => ({ json: { token: tokens.spare } }),
    refusals: refuse(403, 401, 400, 400, 400, 400, 400),
    grants: { signature: 200 },
  }),
]; // prettier-ignore

const v1Row = (
  id: string,
  object: string,
  ask: (scene: AuthorizationScene) => Omit<Ask, 'headers'>,
  rest: { readonly other: Expected | null; readonly granted: Expected; readonly without?: string },
): OwnedRow => ({
  ...{ surface: 'v1', id, object },
  ask: (scene, credential) => ({ ...ask(scene), headers: v1Proof(scene, credential) }),
  refusals: {
    ...refuse(401, 401, rest.other, 401, 401, 401, 401),
    // a token is all that counts, whatever address is sent beside it
    ...(rest.other !== null && { "a token of another address beside the owner's": rest.other }),
  },
  ...(rest.without !== undefined && { without: rest.without }),
  grants: { token: rest.granted },
});

const v1Start = ({ orders }: AuthorizationScene) => ({
  environment: 'small',
  datasets: [orders.v1],
  algorithm: raw,
  maxJobDuration: 60,
});

const v1Rows: readonly OwnedRow[] = [
  v1Row('readJob', 'job', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}` }), { other: 404, granted: withCanary(200) }),
  v1Row('streamEvents', 'events', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}/events` }), { other: 404, granted: withCanary(200) }),
  v1Row('readLog', 'log', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}/logs` }), { other: 404, granted: withCanary(200) }),
  v1Row('readResults', 'results', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}/results` }), { other: 404, granted: withCanary(200) }),
  v1Row('readJobResult', 'result', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}/results/0` }), { other: 404, granted: withCanary(200) }),
  v1Row('readManifest', 'manifest', ({ jobs }) => ({ method: 'GET', path: `/api/v1/jobs/${jobs.ended}/manifest` }), { other: 404, granted: 200 }),
  v1Row('keepResults', 'results', ({ jobs }) => ({ method: 'PUT', path: `/api/v1/jobs/${jobs.disposable}/retention`, body: { until: new Date(Date.now() + 3_600_000).toISOString() } }), { other: 404, granted: withCanary(200) }),
  v1Row('dropResults', 'results', ({ jobs }) => ({ method: 'DELETE', path: `/api/v1/jobs/${jobs.disposable}/retention` }), { other: 404, granted: withCanary(200) }),
  v1Row('stopJob', 'job', ({ jobs }) => ({ method: 'POST', path: `/api/v1/jobs/${jobs.running}/stop` }), { other: 404, granted: withCanary(200) }),
  v1Row('listJobs', 'jobs', () => ({ method: 'GET', path: '/api/v1/jobs' }), { other: /^200 .*"jobs":\[\]/, granted: withCanary(200) }),
  v1Row('checkJob', 'order', (scene) => ({ method: 'POST', path: '/api/v1/checks', body: v1Start(scene) }), { other: /^200 .*"OrderInvalid"/, granted: 200 }),
  v1Row('startJob', 'order', (scene) => ({ method: 'POST', path: '/api/v1/jobs', body: v1Start(scene) }), { other: /^400 .*"OrderInvalid"/, granted: 201 }),
]; // prettier-ignore

const classicRow = (
  id: string,
  object: string,
  [method, path]: readonly [string, string],
  {
    proof,
    fields,
    ...rest
  }: Pick<OwnedRow, 'refusals' | 'grants' | 'without'> & {
    readonly proof: (scene: AuthorizationScene) => Parameters<typeof classicProof>[2];
    readonly fields: (scene: AuthorizationScene) => Readonly<Record<string, unknown>>;
  },
): OwnedRow => ({
  ...{ surface: 'classic', id, object, ...rest },
  ask: (scene, credential) => {
    const shown = classicProof(scene, credential, proof(scene));
    const all = { ...fields(scene), ...shown.fields };
    const data = method === 'GET' ? { query: all as Readonly<Record<string, string>> } : { body: all };
    return { method, path: `${services}/${path}`, headers: shown.headers, ...data };
  },
});

const classicRows: readonly OwnedRow[] = [
  classicRow('computeStart', 'order', ['POST', 'compute'], {
    proof: ({ orders }) => ({ message: (address) => address + orders.classic.documentId }),
    fields: ({ orders }) => ({ environment: 'small', dataset: orders.classic, algorithm: raw }),
    refusals: refuse(400, 400, 400, 400, 400, 400, 400),
    grants: { signature: 200 },
  }),
  classicRow('computeStop', 'job', ['PUT', 'compute'], {
    proof: ({ jobs }) => ({ message: (address) => address + jobs.running }),
    fields: ({ jobs }) => ({ jobId: jobs.running }),
    refusals: refuse(/^200 \[\]$/, 400, /^200 \[\]$/, 400, 400, 400, 400),
    grants: { signature: /^200 .*"stopreq":1/, token: /^200 .*"stopreq":1/ },
  }),
  classicRow('computeDelete', 'job', ['DELETE', 'compute'], {
    proof: ({ jobs }) => ({ message: (address) => address + jobs.ended }),
    fields: ({ jobs }) => ({ jobId: jobs.ended }),
    refusals: refuse(/^200 ""$/, 400, /^200 ""$/, 400, 400, 400, 400),
    grants: { signature: /^200 ""$/, token: /^200 ""$/ },
  }),
  classicRow('computeResult', 'result', ['GET', 'computeResult'], {
    proof: ({ jobs }) => ({ message: (address) => `${address}${jobs.ended}0` }),
    fields: ({ jobs }) => ({ jobId: jobs.ended, index: '0' }),
    refusals: refuse(404, 400, 404, 400, 400, 400, 400),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  classicRow('download', 'order', ['GET', 'download'], {
    proof: ({ orders }) => ({ message: () => orders.access.documentId }),
    fields: ({ orders }) => ({ ...orders.access, fileIndex: '0' }),
    refusals: refuse(400, 400, 400, 400, 400, 400, 400),
    grants: { signature: withCanary(200), token: withCanary(200) },
  }),
  classicRow('decrypt', 'document for certain addresses', ['POST', 'decrypt'], {
    proof: ({ document }) => ({ field: 'decrypterAddress', message: (address) => `${document.dataNftAddress}${address}8996` }),
    fields: ({ document }) => ({ ...document, chainId: 8996 }),
    refusals: refuse(403, 400, 403, 400, 400, 400, 400),
    grants: { signature: withCanary(201), token: withCanary(201) },
  }),
  classicRow('create_auth_token', 'name of the consumer', ['GET', 'createAuthToken'], {
    proof: () => ({ field: 'address', message: (address) => address }),
    fields: () => ({ expiration: String(Math.floor(Date.now() / 1_000) + 600) }),
    refusals: refuse(null, 400, 400, 400, 400, 400, 400),
    without: ownTokenOnly,
    grants: { signature: 200 },
  }),
  classicRow('delete_auth_token', 'token', ['DELETE', 'deleteAuthToken'], {
    proof: () => ({ field: 'address', message: (address) => address }),
    fields: ({ tokens }) => ({ token: tokens.spare }),
    refusals: refuse(400, 400, 400, 400, 400, 400, 400),
    // another route has ended it before
    grants: { signature: /^400 .*Token is deleted/ },
  }),
]; // prettier-ignore

const operatorRow = (
  id: string,
  object: string,
  [method, path]: readonly [string, string],
  {
    fields,
    ...rest
  }: Pick<OwnedRow, 'refusals' | 'grants' | 'without'> & {
    readonly fields: (scene: AuthorizationScene) => Readonly<Record<string, unknown>>;
  },
): OwnedRow => ({
  ...{ surface: 'operator', id, object, ...rest },
  ask: (scene, credential) => {
    const named = { owner: scene.owner.address, ...fields(scene) };
    const jobId = 'jobId' in named ? String(named.jobId) : '';
    const shown = operatorProof(scene, credential, (nonce) => named.owner + jobId + nonce);
    return { method, path: `${base}/${path}`, headers: shown.headers, body: { ...named, ...shown.fields } };
  },
});

const adminRow = (id: string, [method, path]: readonly [string, string], query: (scene: AuthorizationScene) => Ask['query'], granted: Expected): OwnedRow => ({
  ...{ surface: 'operator', id, object: 'jobs of everybody' },
  ask: (scene, credential) => ({ method, path: `${base}/${path}`, query: query(scene) ?? {}, headers: adminProof(scene, credential) }),
  refusals: refuse(401, 401, 401, 401, 401, 401, 400),
  grants: { signature: granted },
}); // prettier-ignore

const operatorRows: readonly OwnedRow[] = [
  operatorRow('startCompute', 'name of the Provider', ['POST', 'compute'], {
    fields: () => ({ workflow: { stages: [aStage()] }, agreementId: `0x${'c'.repeat(64)}`, environment: 'small', chainId: 8996 }),
    refusals: refuse(null, 401, 400, 400, 400, 400, 400),
    without: 'another Provider starts a job of its own',
    grants: { signature: 200 },
  }),
  operatorRow('getComputeStatus', 'jobs', ['GET', 'compute'], {
    fields: ({ jobs }) => ({ jobId: jobs.providerEnded }),
    refusals: refuse(/^200 \[\]$/, 401, 400, 400, 400, 400, 400),
    grants: { signature: withCanary(200) },
  }),
  operatorRow('stopCompute', 'job', ['PUT', 'compute'], {
    fields: ({ jobs }) => ({ jobId: jobs.providerRunning }),
    refusals: refuse(/^200 \[\]$/, 401, 400, 400, 400, 400, 400),
    grants: { signature: /^200 .*"stopreq":1/ },
  }),
  operatorRow('getResult', 'result', ['GET', 'getResult'], {
    fields: ({ jobs }) => ({ jobId: jobs.providerEnded, index: '0' }),
    refusals: refuse(404, 401, 400, 400, 400, 400, 400),
    grants: { signature: withCanary(200) },
  }),
  adminRow('getRunningJobs', ['GET', 'runningjobs'], () => ({}), /^200 \[\{/),
  adminRow('listJobs', ['GET', 'list'], () => ({}), /^200 \["/),
  adminRow('getJob', ['GET', 'info'], ({ jobs }) => ({ jobId: jobs.ended }), withCanary(200)),
  adminRow('getLogs', ['GET', 'logs'], ({ jobs }) => ({ jobId: jobs.ended, component: 'algorithm' }), withCanary(200)),
  adminRow('initDatabase', ['POST', 'pgsqlinit'], () => ({}), 200),
]; // prettier-ignore

/** All routes that ask who it is. */
export const ownedRows: readonly OwnedRow[] = [...nodeRows, ...v1Rows, ...classicRows, ...operatorRows];

/** Routes that ask nobody, by surface and id, each with the reason. */
export const openRoutes: Readonly<Record<Surface, Readonly<Record<string, string>>>> = {
  node: {
    describeService: 'tells of the service, of nobody',
    readNonce: 'the last nonce of an address; clients ask before they sign',
    listEnvironments: 'an offer to everybody',
    initializeCompute: 'a price for whoever asks; orders are judged by the chain',
    initializeAccess: 'a price for whoever asks',
    deleteCompute: 'not offered: always 404',
    describeFiles: 'size and type of published files, which the Provider API tells everybody',
    readAsset: 'a public document',
  },
  v1: { readEnvironments: 'an offer to everybody' },
  classic: {
    describeProvider: 'tells of the service, of nobody',
    nonce: 'the last nonce of an address; clients ask before they sign',
    encrypt: 'whoever asks gets only what they send',
    fileinfo: 'size and type of published files, which the Provider API tells everybody',
    initialize: 'a price for whoever asks',
    computeEnvironments: 'an offer to everybody',
    initializeCompute: 'a price for whoever asks; orders are judged by the chain',
    computeStatus: 'public fields, which the Provider API tells whoever knows the address of the owner',
    validateContainer: 'looks at what is sent, at nothing that is kept',
  },
  operator: {
    describeOperator: 'tells of the service, of nobody',
    deleteCompute: 'has no effect',
    getEnvironments: 'an offer to everybody',
  },
};
