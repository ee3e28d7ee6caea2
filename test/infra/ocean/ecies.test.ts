import fc from 'fast-check';
import { createDecrypter, encryptTo, publicKeyOf } from '../../../infra/ocean/ecies.ts';

const key = '0xfd5c1ccea015b6d663618850824154a3b3fb2882c46cefb05b9a93fea8c3d215';
const otherKey = `0x${'11'.repeat(32)}`;
const ciphertext =
  '0x04c5fa87b5e99faa43c2be34092c1108d608c2db08cfa1c3d4e5b3508472116f56f370875e710793726cda1cf170209ab64a831d091a567614a64a8e2b09a4c5283c4ef477d0a05b560c120970b88b0e737fce42681c62c8d0aa40363fecb6c4a5f08cf4a2113e08cdd45841c5e78b19c426eb5b4f79a287298472b7e76aa6cf5a1defba15b88fcf88662cd273d5740cd4c43d6b63041ee04e34c0f85ecdcbb473c63ef4ace240cddd97931f65464a424ff230c39215cbf2d429d6d09be75e79902dbc8c021ea67451f9f4f4626f7bcc912d4a2c4427de6e186010da2fb1c3c30ec7cd7184f5f0b961c55acbece3ba7db1142351ce0e101e0bf96eb68055f5b154d56c86a5be229eef4b7af8e599d32144c4eebd849f49da397654a974402132df86be96736aaa3496';
const plaintext =
  '{"datatokenAddress":"0x12d1d7BaF6fE43805391097A63301ACfcF5f5720","nftAddress":"0xa072B0D477fae1aBE3537Ff66A8389B184E18F4d","files":[{"type":"url","url":"https://example.com/data.csv","method":"GET"}]}';
const read = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

describe('createDecrypter', () => {
  test('opens the published example, with and without 0x, in any case', () => {
    const { decrypt } = createDecrypter([key]);
    for (const hex of [ciphertext, ciphertext.slice(2), ciphertext.toUpperCase()]) expect(read(decrypt(hex))).toBe(plaintext);
  });

  test('a former key still opens what was encrypted to it', () => {
    expect(read(createDecrypter([otherKey, key]).decrypt(ciphertext))).toBe(plaintext);
  });

  test('opens nothing that was made for another key, cut or changed', () => {
    expect(createDecrypter([otherKey]).decrypt(ciphertext)).toBeNull();
    expect(createDecrypter([key]).decrypt(ciphertext.slice(0, -2))).toBeNull();
    expect(createDecrypter([key]).decrypt(`${ciphertext.slice(0, -2)}00`)).toBeNull();
  });

  test('never throws', () => {
    const { decrypt } = createDecrypter([key]);
    const hex = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('hex'));
    fc.assert(fc.property(fc.oneof(hex, fc.string()), (text) => decrypt(text) === null));
  });
});

describe('encryptTo', () => {
  test('is opened by the owner of the key, 97 bytes longer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const hex = encryptTo(publicKeyOf(key), bytes);
        expect(hex).toHaveLength(2 + 2 * (97 + bytes.length));
        expect(Buffer.from(createDecrypter([key]).decrypt(hex)!)).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 20 },
    );
  });

  test('the public key is the published one', () => {
    expect(publicKeyOf(key)).toBe('0x03c2848551d252af678ce0487085c769fabd89940b8def47ac91e9b41b24e44ead');
  });
});
