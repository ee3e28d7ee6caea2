import fc from 'fast-check';
import { findService, parseDdo } from '../../../infra/ocean/ddo.ts';
import { computeDid } from '../../../infra/ocean/ids.ts';

const nftAddress = '0xa072B0D477fae1aBE3537Ff66A8389B184E18F4d';
const service = (over: Readonly<Record<string, unknown>> = {}) => ({
  ...{ id: 's1', type: 'compute', files: '0x00', datatokenAddress: '0x12d1d7BaF6fE43805391097A63301ACfcF5f5720', timeout: 60 },
  ...over,
});
const content = (over: Readonly<Record<string, unknown>> = {}) => ({
  ...{ chainId: 8996, nftAddress, metadata: { type: 'dataset' }, services: [service()] },
  ...over,
});
const document = (over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  ...{ id: computeDid(nftAddress, 8996), version: '4.1.0' },
  ...content(over),
});

describe('parseDdo', () => {
  test('version 4 and version 5 documents read alike', () => {
    const four = parseDdo(document());
    const five = parseDdo({ id: computeDid(nftAddress, 8996, 'ope'), version: '5.0.0', credentialSubject: content() });
    expect(four).toMatchObject({ did: expect.stringMatching(/^did:op:/), chainId: 8996, nftAddress, type: 'dataset' });
    expect(five).toMatchObject({ did: expect.stringMatching(/^did:ope:/), services: four!.services });
  });

  test('addresses are read in any case, and a service’s position is its index', () => {
    const ddo = parseDdo(document({ nftAddress: nftAddress.toLowerCase(), services: [service(), service({ id: 's2' })] }))!;
    expect(ddo.nftAddress).toBe(nftAddress);
    expect(findService(ddo, 's2')).toMatchObject({ index: 1, timeoutSeconds: 60 });
    expect(findService(ddo, 's3')).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['text', 'did:op:'],
    ['another asset’s DID', { ...document(), id: computeDid(nftAddress, 1) }],
    ['the other method’s DID', { ...document(), id: computeDid(nftAddress, 8996, 'ope') }],
    ['no chain', document({ chainId: undefined })],
    ['no NFT', document({ nftAddress: '0x1' })],
    ['no services', document({ services: undefined })],
    ['a service without datatoken', document({ services: [service({ datatokenAddress: undefined })] })],
    ['a negative timeout', document({ services: [service({ timeout: -1 })] })],
    ['credentials of another shape', document({ credentials: { allow: 'everybody' } })],
    ['allowRawAlgorithm that is no boolean', document({ services: [service({ compute: { allowRawAlgorithm: 'yes' } })] })],
  ])('refuses %s', (_name, value) => {
    expect(parseDdo(value)).toBeNull();
  });

  test('a compute service without rules lets nothing in', () => {
    for (const compute of [undefined, null, {}]) {
      expect(parseDdo(document({ services: [service({ compute })] }))?.services[0]?.compute).toEqual({
        ...{ allowRawAlgorithm: false, allowNetworkAccess: false, trustedAlgorithms: [], trustedPublishers: [] },
      });
    }
  });

  test('trusted entries that nobody can read keep their list filled, so that it does not open', () => {
    const compute = { publisherTrustedAlgorithms: [7, { name: 'x' }], publisherTrustedAlgorithmPublishers: [null] };
    const rules = parseDdo(document({ services: [service({ compute })] }))!.services[0]!.compute;
    expect(rules.trustedAlgorithms).toHaveLength(2);
    expect(rules.trustedPublishers).toEqual(['']);
  });

  test.each<[string, unknown, unknown]>([
    ['nothing', undefined, null],
    ['other things', { links: [] }, null],
    [
      'a policy',
      { outputPolicy: { maxFiles: 3, fileTypes: ['csv'] } },
      { maxFiles: 3, maxBytes: null, fileTypes: ['csv'], publishLog: true, redactLog: [] },
    ],
    [
      'a filter by its digest',
      { outputPolicy: { filter: { image: `r.example/f@sha256:${'a'.repeat(64)}`, command: ['/f'] } } },
      {
        ...{ maxBytes: null, maxFiles: null, fileTypes: null, publishLog: true, redactLog: [] },
        filter: { image: `r.example/f@sha256:${'a'.repeat(64)}`, command: ['/f'], seconds: 60 },
      },
    ],
    ['a filter by a tag, which may be another one tomorrow', { outputPolicy: { filter: { image: 'f:1', command: ['/f'] } } }, 'unreadable'],
    ['a kind of file that nobody knows', { outputPolicy: { fileTypes: ['exe'] } }, 'unreadable'],
    ['a rule that nobody knows', { outputPolicy: { maxFile: 3 } }, 'unreadable'],
    ['no object', { outputPolicy: 'csv only' }, 'unreadable'],
  ])('a service that says %s about outputs is read so', (_what, additionalInformation, policy) => {
    const ddo = parseDdo(document({ services: [service(additionalInformation === undefined ? {} : { additionalInformation })] }));
    expect(ddo?.services[0]?.outputPolicy).toEqual(policy);
  });

  test.each([
    ['at the top', { nft: { state: 3 } }],
    ['below indexedMetadata', { indexedMetadata: { nft: { state: 3 } } }],
  ])('the state that a cache noted is read %s', (_name, over) => {
    expect(parseDdo(document(over))?.cachedState).toBe(3);
  });

  test('never throws', () => {
    const fields = fc.dictionary(
      fc.constantFrom('nftAddress', 'chainId', 'metadata', 'services', 'credentials', 'version', 'id'),
      fc.anything(),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fields.map((over) => ({ ...document(), ...over })),
        ),
        (value) => {
          const ddo = parseDdo(value);
          expect(ddo === null || ddo.did === computeDid(ddo.nftAddress, ddo.chainId, ddo.version.startsWith('5.') ? 'ope' : 'op')).toBe(
            true,
          );
        },
      ),
    );
  });
});
