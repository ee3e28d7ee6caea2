import { wholeReference } from '../../../../infra/toolchain/cluster/images.ts';
import { fieldsOf } from '../../../../infra/toolchain/cluster/control.ts';
import { placeOf } from '../../../../infra/toolchain/cluster/place.ts';
import { renderReport } from '../../../../infra/toolchain/cluster/commands.ts';
import { MissingPart } from '../../../../infra/toolchain/parts.ts';

let before: string | undefined;

beforeEach(() => {
  before = process.env.C2D_CACHE_DIR;
});

afterEach(() => {
  if (before === undefined) delete process.env.C2D_CACHE_DIR;
  else process.env.C2D_CACHE_DIR = before;
});

describe('placeOf', () => {
  test('two cache folders do not share control groups', () => {
    process.env.C2D_CACHE_DIR = '/one';
    const one = placeOf('dev');
    process.env.C2D_CACHE_DIR = '/two';
    expect(placeOf('dev').controlGroup).not.toBe(one.controlGroup);
  });

  test.each(['', 'Dev', '../x', 'a'.repeat(33), '-a', 'a/b'])('%p is no name', (name) => {
    expect(() => placeOf(name)).toThrow(RangeError);
  });

  test.each([
    ['which the cluster hides', '/var/lib/cache'],
    ['whose sockets have too long a path', `/${'long/'.repeat(20)}`],
  ])('a cache folder %s cannot hold a cluster', (_why, folder) => {
    process.env.C2D_CACHE_DIR = folder;
    expect(() => placeOf('dev')).toThrow(MissingPart);
  });
});

describe('wholeReference', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['team/app:1', 'docker.io/team/app:1'],
    ['localhost/app', 'localhost/app:latest'],
    ['10.1.2.3:5000/app:2', '10.1.2.3:5000/app:2'],
    ['registry.test/app@sha256:abc', 'registry.test/app@sha256:abc'],
  ])('%s is %s', (reference, expected) => {
    expect(wholeReference(reference)).toBe(expected);
  });
});

describe('fieldsOf', () => {
  test('takes a missing part apart so that it can be put together again', () => {
    const missing = new MissingPart('cluster', 'there are no control groups', 'run it as root');
    const fields = fieldsOf(missing)!;
    expect(new MissingPart(fields.part, fields.reason, fields.remedy).message).toBe(missing.message);
  });

  test('knows no other failure', () => {
    expect(fieldsOf(new Error('cluster: no'))).toBeUndefined();
  });
});

describe('renderReport', () => {
  test('says how to start a cluster that is not there', () => {
    expect(renderReport('dev', undefined)).toContain('npm run cluster -- up --name dev');
  });

  test('says why one failed', () => {
    expect(renderReport('dev', { name: 'dev', phase: 'failed', line: 'no luck', host: 1 })).toBe('cluster dev is failed: no luck');
  });
});
