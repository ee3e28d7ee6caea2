import fc from 'fast-check';
import { algorithmCommand, algorithmEnv, imageReference } from '../../../infra/pods/algorithmCommand.ts';

const algo = '/data/transformations/algorithm';

describe('algorithmCommand', () => {
  test.each<[string, readonly string[] | null]>([
    ['', null],
    ['   ', null],
    ['$ALGO', [algo]],
    ['python3 $ALGO', ['python3', algo]],
    ['python3  -u\t$ALGO --n 3 --rate=0.5', ['python3', '-u', algo, '--n', '3', '--rate=0.5']],
    ['node $ALGO $ALGO', ['node', algo, algo]],
    ['node ${ALGO}', ['node', algo]],
    ['$ALGORITHM', ['sh', '-c', '$ALGORITHM']],
    ['cp $ALGO /tmp/a && node /tmp/a', ['sh', '-c', `cp ${algo} /tmp/a && node /tmp/a`]],
    ["sh -c 'echo hi'", ['sh', '-c', "sh -c 'echo hi'"]],
    ['echo $HOME', ['sh', '-c', 'echo $HOME']],
    ['A=1 node x', ['sh', '-c', 'A=1 node x']],
    ['ls *.txt', ['sh', '-c', 'ls *.txt']],
    ['node x > out', ['sh', '-c', 'node x > out']],
    ['node x # y', ['sh', '-c', 'node x # y']],
    ['one\ntwo', ['sh', '-c', 'one\ntwo']],
  ])('%j runs as %j', (entrypoint, argv) => {
    expect(algorithmCommand(entrypoint)).toEqual(argv);
  });

  test('never loses a word, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const argv = algorithmCommand(text);
        if (argv === null) expect(text.trim()).toBe('');
        else expect(argv[0] === 'sh' && argv[1] === '-c' ? argv[2] : argv.join(' ')).not.toBe('');
      }),
    );
  });
});

describe('imageReference', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  test.each<[string, string, string, string]>([
    ['node', '', '', 'node:latest'],
    ['node', '24', '', 'node:24'],
    ['node', '24', digest, `node@${digest}`],
    ['node', '', 'a'.repeat(64), `node@${digest}`],
    ['registry:5000/node', '', '', 'registry:5000/node:latest'],
    ['registry:5000/node:24', '', '', 'registry:5000/node:24'],
    ['node:24', '', digest, `node@${digest}`],
    [`node@${digest}`, 'latest', '', `node@${digest}`],
  ])('image %j, tag %j, checksum %j is %j', (image, tag, checksum, reference) => {
    expect(imageReference({ image, tag, checksum })).toBe(reference);
  });
});

describe('algorithmEnv', () => {
  const source = { dids: ['aa', 'bb'], transformationDid: 'cc', envs: {}, secret: 's' };

  test('sets the names of the contract', () => {
    expect(algorithmEnv(source)).toEqual({
      DIDS: '["aa","bb"]',
      TRANSFORMATION_DID: 'cc',
      VOLUME: '/data',
      LOGS: '/data/logs',
      INPUTS: '/data/inputs',
      OUTPUTS: '/data/outputs',
      secret: 's',
    });
  });

  test('lets no variable of the consumer replace them, and drops what no shell could hold', () => {
    const envs = { DIDS: 'x', VOLUME: '/', 'a-b': '1', 'A=B': '1', '': '1', c2d_nonce: '1', N: 'a\0b', MINE: 'kept' };
    const env = algorithmEnv({ ...source, envs });
    expect(env).toEqual({ ...algorithmEnv(source), MINE: 'kept' });
  });
});
