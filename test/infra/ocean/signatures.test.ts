import fc from 'fast-check';
import { isSignedBy, verifyMessage } from '../../../infra/ocean/signatures.ts';

const address = '0xe08A1dAe983BC701D05E492DB80e0144f8f4b909';
const owner = '0xC41808BBef371AD5CFc76466dDF9dEe228d2BdAA';
const job = '4d32947065bb46c8b87c1f7adfb7ed8b';
const did = 'did:op:706d7452b1a25b183051fe02f2ad902d54fc45a43fdcee26b20f21684b5dee72';
const leadingZero = `${address}1755500000057startCompute`;

const vectors: readonly (readonly [string, string, string])[] = [
  [
    'a provider’s message, recovery 01 as Python writes it',
    `${owner}${job}1700000000000000000`,
    '0x1abc461cd4129059bf643de4a804f872903551c3189f1558a4ea3f02e81caa4976c26aabd92dcb057aa818705fc560b53f7618fe1a82c360bfd19aee871d77ac01',
  ],
  [
    'the same, recovery 1c as ethers writes it',
    `${owner}${job}1700000000000000000`,
    '0x1abc461cd4129059bf643de4a804f872903551c3189f1558a4ea3f02e81caa4976c26aabd92dcb057aa818705fc560b53f7618fe1a82c360bfd19aee871d77ac1c',
  ],
  [
    'a provider’s message without job',
    `${owner}1700000000000000000`,
    '0xd369ede2506ac1f5c0eff7da2dc01ed61f8b5cb34dfae1b5fd13086a7098d2db4608e495aac49db911635a9d47ef11143944dbeada95d92e3f7c5879bed80b8d1b',
  ],
  [
    'startCompute',
    `${address}1755500000001startCompute`,
    '0x8c9a48a034de56d2dc351154d579cebe92b5e5c3c822ee38b8d4d326370f538c6dd3d5dcb7dd5c56af0e4b792b6d643b47c547ff2b458c663b5b6dd188345c121b',
  ],
  [
    'stopCompute',
    `${address}1755500000001stopCompute`,
    '0x296a62e8cd6bb5a2b5c22e626375d54aaa7bad22e35d8735dc22a5872fea662477f126302abfec58288e34cf1f2d74933db5203c9cd7ee89293a1a02f61d94771b',
  ],
  [
    'a classic start',
    `${address}${did}42`,
    '0x4d680cb4fd56856dc477c269c966f2a292b32d456fac3ca14e2f59915d4c7ab81e937bb3301abceb0ab0c724f31d9ebe3eedc0716290ae512648e03f5ac95b1b1b',
  ],
  [
    'a classic result',
    `${address}${job}042`,
    '0xfdcecfa2049c05c728dcdaed30c9784ca5a79270b782952bbf4aef03d5eacf326ab564f2d15270997c3e6d6e952ccfd3504a2ab772a20aaa7af69fa0fe1972761b',
  ],
  [
    'a stop that signs no nonce',
    `${address}${job}`,
    '0x14d232221859fa3b344e565886d354be1050d25fabbdb44c729cfc3f8ec0d0c1470a9c256b2ed61e912a6a55dff69c0dad841c8d152b9bb6f05252670f99a4c51b',
  ],
  [
    'a hash with a leading zero, all 32 bytes signed',
    leadingZero,
    '0xc7a18c15ce1539f30f3ff3e641e5cca2a12e78e3d2001fc3f422b9aa96b151b6327bd5b7866315bd57773371e9084c4d7bd1a7ed1815139a113acce131ca03691b',
  ],
  [
    'a hash with a leading zero, 31 bytes signed',
    leadingZero,
    '0x52dccbdaaff26c1f0e00b10e0816230a236df0b471c37e84e4c3405dae75f1b10ad0013cfc41e62d43a66a2276ab4159ff17825debb2d70eb7aad0db9b7ea8721c',
  ],
  [
    'a hash with a leading zero, its hex text signed',
    leadingZero,
    '0x33a2597e55ca02a1684a8877ab9ecad2178c8d439236ffbc456dab1cbf7893d61423ee43ad82430b30423f1bc187c01805e292999f294ab20510965954b97f3e1b',
  ],
];

describe('isSignedBy', () => {
  test.each(vectors)('accepts %s', (_name, message, signature) => {
    expect(isSignedBy({ address, message, signature })).toBe(true);
    expect(isSignedBy({ address: address.toLowerCase(), message, signature })).toBe(true);
  });

  test.each(vectors)('refuses another address, another message, another recovery: %s', (_name, message, signature) => {
    expect(isSignedBy({ address: owner, message, signature })).toBe(false);
    expect(isSignedBy({ address, message: `${message} `, signature })).toBe(false);
    expect(isSignedBy({ address, message, signature: `${signature.slice(0, -2)}1d` })).toBe(false);
  });

  test('never throws, and accepts nothing made up', () => {
    const hex = fc.uint8Array({ maxLength: 80 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`);
    const text = fc.oneof(hex, fc.string(), fc.string({ unit: 'binary' }), fc.constant('\ud800'));
    fc.assert(fc.property(text, text, text, (anyAddress, message, signature) => !isSignedBy({ address: anyAddress, message, signature })));
    fc.assert(fc.property(text, hex, (message, signature) => !isSignedBy({ address, message, signature })));
  });
});

describe('verifyMessage', () => {
  const wallet = `0x${'1'.repeat(40)}`;
  const hash = '0x3e0d61320bc6b311b0578364960f5364b611f6c6e11296f1dd3a3a1c39f1a53e';
  const signed = { address: wallet, message: `${address}1755500000001startCompute`, signature: '0x1234' };

  test('a smart account is asked with the message’s hash, then with its signed form', async () => {
    const asked: string[] = [];
    const accounts = {
      accepts: (_address: string, candidate: string) => {
        asked.push(candidate);
        return Promise.resolve(asked.length === 2);
      },
    };
    await expect(verifyMessage(signed, accounts)).resolves.toBe(true);
    expect(asked).toHaveLength(2);
    expect(asked[0]).toBe(hash);
  });

  test('a key’s signature asks no chain', async () => {
    const accounts = { accepts: () => Promise.reject(new Error('must not be asked')) };
    const [, message, signature] = vectors[3]!;
    await expect(verifyMessage({ address, message, signature }, accounts)).resolves.toBe(true);
  });

  test('without a chain, or with an answer of no, nobody signed', async () => {
    await expect(verifyMessage(signed, null)).resolves.toBe(false);
    await expect(verifyMessage(signed, { accepts: () => Promise.resolve(false) })).resolves.toBe(false);
  });

  test('text that is no signature is not passed on to a chain', async () => {
    const accounts = { accepts: () => Promise.reject(new Error('must not be asked')) };
    for (const signature of ['', 'null', '0x', '0x123', `0x${'00'.repeat(20_000)}`]) {
      await expect(verifyMessage({ ...signed, signature }, accounts)).resolves.toBe(false);
    }
  });
});
