import { createHmac } from 'node:crypto';
import { createJwts } from '../../../infra/crypto/jwt.ts';
import { createKeyring, keyringText } from '../../../infra/crypto/keyring.ts';
import { aKeyring } from '../../support/databases.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const payload = { address: '0xe08A1dAe983BC701D05E492DB80e0144f8f4b909', n: 1 };

describe('tokens', () => {
  test('are read by whoever holds the key, in the form that clients decode', () => {
    const keyring = aKeyring();
    const token = createJwts(keyring).sign(payload);
    expect(createJwts(keyring).open(token)).toEqual(payload);
    const [header, body] = token.split('.');
    expect(JSON.parse(Buffer.from(header!, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT' });
    expect(JSON.parse(Buffer.from(body!, 'base64url').toString())).toEqual(payload);
  });

  test('of an old key are good until it is taken away', () => {
    const [older, newer] = [1, 2].map((fill) => `k${fill}:${Buffer.alloc(32, fill).toString('base64')}`);
    const jwtsOf = (...keys: (string | undefined)[]) => createJwts(createKeyring(keyringText.parse(keys.join(','))));
    const token = jwtsOf(older).sign(payload);
    expect(jwtsOf(newer, older).open(token)).toEqual(payload);
    expect(jwtsOf(newer).open(token)).toBeNull();
  });

  const keyring = aKeyring();
  const jwts = createJwts(keyring);
  const good = jwts.sign(payload);
  const [head, body, mac] = good.split('.') as [string, string, string];
  const macWithOurKey = (header: unknown): string => {
    const signed = `${encode(header)}.${body}`;
    return `${signed}.${createHmac('sha256', keyring.derive('auth-token')[0]!).update(signed).digest('base64url')}`;
  };
  // the last character of 32 bytes in base64url has two bits that mean nothing
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twin = mac.slice(0, -1) + alphabet[alphabet.indexOf(mac.at(-1)!) ^ 1]!;

  test.each<[string, string]>([
    ['nothing', ''],
    ['no MAC', `${head}.${body}.`],
    ['an unsigned token', `${encode({ alg: 'none' })}.${body}.`],
    ['alg none with a good MAC', macWithOurKey({ alg: 'none', typ: 'JWT' })],
    ['RS256 with a MAC of our key', macWithOurKey({ alg: 'RS256', typ: 'JWT' })],
    ['a header that is no object', macWithOurKey(null)],
    ['a MAC cut short', good.slice(0, -1)],
    ['a longer MAC', `${good}A`],
    ['another spelling of the same MAC', `${head}.${body}.${twin}`],
    ['another payload', `${head}.${encode({ ...payload, n: 2 })}.${mac}`],
    ['another service', createJwts(aKeyring()).sign(payload)],
    [
      'a key derived for something else',
      `${head}.${body}.${createHmac('sha256', keyring.derive('pod-token')[0]!).update(`${head}.${body}`).digest('base64url')}`,
    ],
    ['a long text', 'a'.repeat(100_000)],
  ])('%s opens nothing', (_what, token) => {
    expect(jwts.open(token)).toBeNull();
  });
});
