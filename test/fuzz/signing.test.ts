import { Wallet, getBytes, id, verifyMessage } from 'ethers';
import { classicSignings, fillSignature, nodeSignings, openSignature, operatorSignings, type SigningTable } from './signing.ts';

const wallet = new Wallet(Wallet.createRandom().privateKey);
const { address } = wallet;
const signerOf = (text: string, signature: unknown): string => verifyMessage(getBytes(id(text)), String(signature));

interface Filled {
  readonly nonce: string;
  readonly signature?: string;
  readonly providerSignature?: string;
}

const inQuery = (table: SigningTable, call: string, fields: Readonly<Record<string, string>>): Filled => {
  const [method = '', path = ''] = call.split(' ');
  const { url } = fillSignature(table, method, { url: `${path}?${new URLSearchParams(fields).toString()}`, body: Buffer.alloc(0) });
  return Object.fromEntries(new URL(url, 'http://x').searchParams) as unknown as Filled;
};

describe('an open signature', () => {
  test('of the node style is made of address, nonce and command', () => {
    const fields = { consumerAddress: '0x', nonce: 'x', signature: openSignature, jobId: 'a', index: '0' };
    const { nonce, signature } = inQuery(nodeSignings(wallet), 'GET /api/services/computeResult', fields);
    expect(signerOf(`${address}${nonce}getComputeResult`, signature)).toBe(address);
  });

  test('of the classic API is made of the message of its call', () => {
    const fields = { consumerAddress: '0x', nonce: 'x', signature: openSignature, jobId: 'a', index: '0' };
    const { nonce, signature } = inQuery(classicSignings(wallet), 'GET /api/services/computeResult', fields);
    expect(signerOf(`${address}a0${nonce}`, signature)).toBe(address);
  });

  test('of a Provider is made of owner, job and nonce', () => {
    const fields = { owner: '0x1', nonce: 'x', providerSignature: openSignature, jobId: 'a' };
    const { nonce, providerSignature } = inQuery(operatorSignings(wallet), 'GET /api/v1/operator/compute', fields);
    expect(signerOf(`0x1a${nonce}`, providerSignature)).toBe(address);
  });

  test('in a body is made there, with a nonce above the last', () => {
    const send = (): Filled => {
      const body = Buffer.from(JSON.stringify({ consumerAddress: '0x', signature: openSignature, other: [1] }));
      return JSON.parse(fillSignature(nodeSignings(wallet), 'POST', { url: '/api/services/freeCompute', body }).body.toString()) as Filled;
    };
    const [first, second] = [send(), send()];
    expect(signerOf(`${address}${second.nonce}freeStartCompute`, second.signature)).toBe(address);
    expect(Number(second.nonce)).toBeGreaterThan(Number(first.nonce));
    expect(second).toMatchObject({ consumerAddress: address, other: [1] });
  });

  test.each<[string, string, string, string]>([
    ['another signature', 'POST', '/api/services/freeCompute', '{"signature":"0x12"}'],
    ['what is no JSON', 'POST', '/api/services/freeCompute', `{"signature":"${openSignature}"`],
    ['what is no object', 'POST', '/api/services/freeCompute', 'null'],
    ['a call that is not signed', 'POST', '/api/services/fileInfo', `{"signature":"${openSignature}"}`],
    ['a query without one', 'GET', '/api/services/computeResult?signature=%00&a=%ff', ''],
  ])('is looked for with care: %s passes as it is', (_what, method, url, text) => {
    const message = { url, body: Buffer.from(text) };
    expect(fillSignature(nodeSignings(wallet), method, message)).toEqual(message);
  });
});
