/** What is signed for each call, so that a request which asks for a signature can be given a good one. */

import { getBytes, id, type BaseWallet } from 'ethers';

/** Stands in a request for a signature that is still to be made: a fuzzer has no key, and nonces are good for once. */
export const openSignature = `0x${'5e'.repeat(65)}`;

/** The parts of a request that are signed, or name the signer. */
export type Fields = Readonly<Record<string, unknown>>;

/** How one call is signed. */
export interface Signing {
  readonly signer: BaseWallet;
  /** the field that gets the signer's address; null where the signature alone tells */
  readonly addressField: string | null;
  /** the whole text, from the request as it will be sent */
  text(fields: Fields): string;
}

/** By `POST /path`. */
export type SigningTable = Readonly<Record<string, Signing>>;

const part = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
const join = (fields: Fields, names: readonly string[]): string => names.map((name) => part(fields[name])).join('');

const commands: readonly (readonly [call: string, addressField: string, command: string])[] = [
  ['POST /api/services/compute', 'consumerAddress', 'startCompute'],
  ['POST /api/services/freeCompute', 'consumerAddress', 'freeStartCompute'],
  ['PUT /api/services/compute', 'consumerAddress', 'stopCompute'],
  ['GET /api/services/computeResult', 'consumerAddress', 'getComputeResult'],
  ['GET /api/services/computeStreamableLogs', 'consumerAddress', 'getComputeStreamableLogs'],
  ['GET /api/services/download', 'consumerAddress', 'download'],
  ['POST /api/services/encrypt', 'consumerAddress', 'encrypt'],
  ['POST /api/services/decrypt', 'decrypterAddress', 'decryptDDO'],
  ['POST /api/services/auth/token', 'address', 'createAuthToken'],
  ['POST /api/services/auth/token/invalidate', 'address', 'invalidateAuthToken'],
];

/** Node style: address, nonce and command. */
export const nodeSignings = (signer: BaseWallet): SigningTable =>
  Object.fromEntries(
    commands.map(([call, addressField, command]) => [
      call,
      { signer, addressField, text: (fields) => `${join(fields, [addressField, 'nonce'])}${command}` },
    ]),
  );

const messages: readonly (readonly [call: string, addressField: string, names: readonly string[]])[] = [
  ['PUT /api/services/compute', 'consumerAddress', ['consumerAddress', 'jobId', 'documentId']],
  ['DELETE /api/services/compute', 'consumerAddress', ['consumerAddress', 'jobId', 'documentId']],
  ['GET /api/services/computeResult', 'consumerAddress', ['consumerAddress', 'jobId', 'index']],
  ['GET /api/services/download', 'consumerAddress', ['documentId']],
  // of a document that comes with the request
  ['POST /api/services/decrypt', 'decrypterAddress', ['dataNftAddress', 'decrypterAddress', 'chainId']],
  ['GET /api/services/createAuthToken', 'address', ['address']],
  ['DELETE /api/services/deleteAuthToken', 'address', ['address']],
];

/** Classic: a message of the call's own, then the nonce. */
export const classicSignings = (signer: BaseWallet): SigningTable => ({
  ...Object.fromEntries(
    messages.map(([call, addressField, names]) => [
      call,
      { signer, addressField, text: (fields) => join(fields, [...names, 'nonce']) } satisfies Signing,
    ]),
  ),
  'POST /api/services/compute': {
    signer,
    addressField: 'consumerAddress',
    text: (fields) =>
      join(fields, ['consumerAddress', 'jobId']) + part((fields['dataset'] as Fields | undefined)?.['documentId']) + part(fields['nonce']),
  },
});

const aboutJobs = (signer: BaseWallet): Signing => ({
  ...{ signer, addressField: null },
  text: ({ owner = 'None', jobId, nonce }) => `${part(owner)}${part(jobId)}${part(nonce)}`,
});

/** Operator-service: what the Provider signs. */
export const operatorSignings = (signer: BaseWallet): SigningTable => ({
  'POST /api/v1/operator/compute': { signer, addressField: null, text: (fields) => join(fields, ['owner', 'nonce']) },
  'GET /api/v1/operator/compute': aboutJobs(signer),
  'PUT /api/v1/operator/compute': aboutJobs(signer),
  'GET /api/v1/operator/getResult': aboutJobs(signer),
});

let lastNonce = Date.now();

const sign = ({ signer, addressField, text }: Signing, fields: Fields): Fields => {
  lastNonce += 1;
  const named = { ...fields, nonce: String(lastNonce), ...(addressField !== null && { [addressField]: signer.address }) };
  const signature = signer.signMessageSync(getBytes(id(text(named))));
  return mapSignatures(named, signature);
};

const mapSignatures = (fields: Fields, signature: string): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value === openSignature ? signature : value]));

const signQuery = (signing: Signing, query: string): string => {
  const fields = Object.fromEntries(new URLSearchParams(query));
  return new URLSearchParams(sign(signing, fields) as Record<string, string>).toString();
};

const signBody = (signing: Signing, body: Buffer): Buffer => {
  try {
    const fields: unknown = JSON.parse(body.toString('utf8'));
    const isObject = typeof fields === 'object' && fields !== null && Object.values(fields).includes(openSignature);
    return isObject ? Buffer.from(JSON.stringify(sign(signing, fields as Fields))) : body;
  } catch {
    // cut off or never JSON: the API is to see it as it is
    return body;
  }
};

/** A request's address and body. */
export interface Message {
  readonly url: string;
  readonly body: Buffer;
}

/** The same message, with a nonce and a signature that are good where it leaves its signature open. */
export const fillSignature = (table: SigningTable, method: string, { url, body }: Message): Message => {
  const [path = '', query = ''] = url.split('?', 2);
  const signing = Object.hasOwn(table, `${method} ${path}`) ? table[`${method} ${path}`] : undefined;
  if (signing === undefined) return { url, body };
  if (query.includes(openSignature)) return { url: `${path}?${signQuery(signing, query)}`, body };
  return { url, body: signBody(signing, body) };
};
