import fc from 'fast-check';
import { parseFileObject } from '../../../infra/ocean/fileObject.ts';
import { isJobFailure } from '../../../workflows/contract/failures.ts';

const abi = { name: 'price', type: 'function', stateMutability: 'view', inputs: [], outputs: [{ type: 'uint256', name: '' }] };
const contract = { type: 'smartcontract', address: `0x${'ab'.repeat(20)}`, chainId: 8996, abi };

describe('parseFileObject', () => {
  test.each<[string, unknown, Readonly<Record<string, unknown>>]>([
    [
      'a url, GET by default',
      { type: 'url', url: 'https://a/b' },
      { type: 'url', url: 'https://a/b', method: 'GET', headers: {}, userdata: null },
    ],
    ['a method in any case', { type: 'url', url: 'https://a', method: 'Post' }, { method: 'POST' }],
    ['headers', { type: 'url', url: 'https://a', headers: { 'x-key': 'v', n: 1 } }, { headers: { 'x-key': 'v', n: '1' } }],
    ['headers given as an empty list', { type: 'url', url: 'https://a', headers: [] }, { headers: {} }],
    ['ipfs', { type: 'ipfs', hash: 'Qm1' }, { type: 'ipfs', hash: 'Qm1', headers: {} }],
    ['arweave', { type: 'arweave', transactionId: 't' }, { type: 'arweave', transactionId: 't', headers: {} }],
    ['graphql', { type: 'graphql', url: 'https://a', query: '{x}' }, { type: 'graphql', url: 'https://a', query: '{x}', headers: {} }],
    ['smartcontract', contract, { type: 'smartcontract', address: contract.address, chainId: 8996 }],
  ])('reads %s', (_name, value, expected) => {
    expect(parseFileObject(value)).toMatchObject(expected);
  });

  test.each<[string, unknown, string]>([
    ['no object', 'x', 'malformed file object.'],
    ['a list', [], 'malformed file object.'],
    ['no type', { url: 'https://a' }, 'malformed service files, missing required keys.'],
    ['an inherited name as type', { type: 'constructor' }, 'Unsupported type constructor'],
    ['ftp', { type: 'ftp', url: 'ftp://a' }, 'Unsupported type ftp'],
    ['url without url', { type: 'url' }, 'malformed service files, missing required keys.'],
    ['url of another scheme', { type: 'url', url: 'file:///etc/passwd' }, 'malformed service files, missing required keys.'],
    ['an unsafe method', { type: 'url', url: 'https://a', method: 'DELETE' }, 'Unsafe method delete.'],
    ['headers that are no object', { type: 'url', url: 'https://a', headers: 'x' }, 'malformed file object.'],
    ['a header with a line break', { type: 'url', url: 'https://a', headers: { a: 'b\r\nc: d' } }, 'malformed file object.'],
    ['ipfs without hash', { type: 'ipfs' }, 'malformed service files, missing required keys.'],
    ['arweave without transaction', { type: 'arweave' }, 'malformed service files, missing transactionId.'],
    ['graphql without endpoint', { type: 'graphql', query: 'x' }, 'missing graphql endpoint'],
    ['graphql without query', { type: 'graphql', url: 'https://a' }, 'missing graphql query'],
    ['a contract without address', { ...contract, address: '' }, 'malformed smartcontract type, missing contract address'],
    ['a contract without abi', { ...contract, abi: null }, 'invalid abi'],
    ['an abi that is no function', { ...contract, abi: { ...abi, type: 'event' } }, 'invalid abi'],
    [
      'a function that changes something',
      { ...contract, abi: { ...abi, stateMutability: 'payable' } },
      'only view or pure functions are allowed',
    ],
    ['a function without name', { ...contract, abi: { ...abi, name: undefined } }, 'missing name'],
  ])('refuses %s with the provider’s text', (_name, value, message) => {
    expect(() => parseFileObject(value)).toThrow(expect.objectContaining({ type: 'RequestInvalid', message }));
  });

  test('whatever it is given, it answers or refuses as the consumer’s fault', () => {
    const type = fc.constantFrom('url', 'ipfs', 'arweave', 'graphql', 'smartcontract', 's3', '__proto__');
    const hostile = fc.dictionary(fc.constantFrom('url', 'method', 'headers', 'hash', 'abi', 'address', 'query'), fc.anything());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.tuple(type, hostile).map(([name, fields]) => ({ type: name, ...fields })),
        ),
        (value) => {
          try {
            return typeof parseFileObject(value).type === 'string';
          } catch (err) {
            return isJobFailure(err) && err.type === 'RequestInvalid';
          }
        },
      ),
    );
  });
});
