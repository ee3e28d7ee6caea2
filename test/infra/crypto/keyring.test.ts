import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { createKeyring, keyringText } from '../../../infra/crypto/keyring.ts';
import { createPodTokens } from '../../../infra/crypto/podToken.ts';
import { aJobId } from '../../support/builders.ts';
import { aKeyring } from '../../support/databases.ts';

const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const ring = (...texts: string[]) => createKeyring(keyringText.parse(texts.join(',')));

describe('a keyring', () => {
  test('opens what it sealed, whatever the bytes', () => {
    const keys = aKeyring();
    fc.assert(fc.property(fc.uint8Array(), (bytes) => Buffer.compare(keys.open(keys.seal(bytes, 'a'), 'a'), bytes) === 0));
  });

  test('opens nothing under another context', () => {
    const keys = aKeyring();
    const sealed = keys.seal(Buffer.from('x'), 'job/1');
    expect(() => keys.open(sealed, 'job/2')).toThrow();
  });

  test('notices every changed byte', () => {
    const keys = aKeyring();
    const sealed = keys.seal(Buffer.from('some text'), 'a');
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => keys.open(changed, 'a')).toThrow();
    }
  });

  test('opens old bytes after a rotation, and seals with the new key', () => {
    const [old, fresh] = [key('old'), key('new')];
    const before = ring(old).seal(Buffer.from('x'), 'a');
    const rotated = ring(fresh, old);
    expect(rotated.open(before, 'a').toString()).toBe('x');
    expect(() => ring(old).open(rotated.seal(Buffer.from('x'), 'a'), 'a')).toThrow('no key named "new"');
  });

  test.each([
    ['nothing', ''],
    ['no id', randomBytes(32).toString('base64')],
    ['a short key', `a:${randomBytes(16).toString('base64')}`],
    ['an id twice', `${key('a')},${key('a')}`],
  ])('cannot be made of %s', (_name, text) => {
    expect(keyringText.safeParse(text).success).toBe(false);
  });
});

describe('the token of a pod', () => {
  test('names the pod, also after a rotation of the keys', () => {
    const [old, fresh] = [key('old'), key('new')];
    const pod = { jobId: aJobId(), podAttempt: 3 };
    const token = createPodTokens(ring(old)).tokenOf(pod);
    expect(createPodTokens(ring(fresh, old)).read(token)).toEqual(pod);
    expect(createPodTokens(ring(fresh)).read(token)).toBeNull();
  });

  test('of one attempt is not the token of another', () => {
    const tokens = createPodTokens(aKeyring());
    const token = tokens.tokenOf({ jobId: aJobId(), podAttempt: 1 });
    expect(tokens.read(token.replace('.1.', '.2.'))).toBeNull();
  });

  test('is never read from anything else', () => {
    const tokens = createPodTokens(aKeyring());
    fc.assert(fc.property(fc.string(), (text) => tokens.read(text) === null));
  });
});
