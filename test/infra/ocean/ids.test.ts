import { computeDid, containerSectionChecksum, folderOfDid, isDid } from '../../../infra/ocean/ids.ts';

describe('DIDs and checksums', () => {
  test('the DID of an NFT is that of the published example, whatever the case of the address', () => {
    const did = 'did:op:706d7452b1a25b183051fe02f2ad902d54fc45a43fdcee26b20f21684b5dee72';
    expect(computeDid('0xa072B0D477fae1aBE3537Ff66A8389B184E18F4d', 8996)).toBe(did);
    expect(computeDid('0xa072b0d477fae1abe3537ff66a8389b184e18f4d', 8996)).toBe(did);
  });

  test('the container’s checksum is that of the published example', () => {
    const checksum = 'sha256:8221d20c1c16491d7d56b9657ea09082c0ee4a8ab1a6621fa720da58b09580e4';
    expect(containerSectionChecksum({ entrypoint: 'run.sh', checksum })).toBe(
      '20d3f5667b2068e84db5465fb51aa405b06a0ff791635048d7976ec7f5abdc73',
    );
  });

  test.each([
    ['did:op:', 'a'],
    ['did:ope:', 'b'],
  ])('the folder of a DID is the part behind %s', (prefix, letter) => {
    expect(folderOfDid(prefix + letter.repeat(64))).toBe(letter.repeat(64));
  });

  test.each(['', 'did:op:', `did:op:${'g'.repeat(64)}`, `did:op:${'a'.repeat(64)}/../x`, `did:eth:${'a'.repeat(64)}`])(
    '%j is no DID',
    (text) => {
      expect(isDid(text)).toBe(false);
    },
  );
});
