import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findBreaks } from '../../../../infra/toolchain/openapi/breaks.ts';

type Json = Readonly<Record<string, unknown>>;

const object = (properties: Json, required: readonly string[] = []): Json => ({ type: 'object', properties, required });
const text: Json = { type: 'string' };

/** One call, with a request body and an answer. */
const api = ({ request = object({ a: text }), answer = object({ b: text }, ['b']), ...over }: Record<string, Json> = {}): Json => ({
  paths: {
    '/jobs': {
      post: {
        parameters: [{ in: 'query', name: 'page', schema: { type: 'integer', maximum: 10 } }],
        requestBody: { content: { 'application/json': { schema: request } } },
        responses: { 200: { content: { 'application/json': { schema: answer } } } },
        ...over,
      },
    },
  },
  components: { schemas: { Tree: object({ leaf: text, left: { $ref: '#/components/schemas/Tree' } }) } },
});

const request = (before: Json, after: Json): readonly string[] => findBreaks(api({ request: before }), api({ request: after }));
const answer = (before: Json, after: Json): readonly string[] => findBreaks(api({ answer: before }), api({ answer: after }));
const call = 'POST /jobs';
const [inBody, inAnswer] = [`${call} body application/json`, `${call} 200 application/json`];
const oneOf = (...values: string[]): Json => ({ type: 'string', enum: values });
const either = (...types: string[]): Json => ({ anyOf: types.map((type) => ({ type })) });

describe('what breaks a client', () => {
  test.each<[string, readonly string[], string]>([
    ['a call that is gone', findBreaks(api(), { paths: {} }), `${call}: is gone`],
    ['an answer that is gone', findBreaks(api(), api({ responses: {} })), `${call} 200: is gone`],
    ['a content type that is gone', findBreaks(api(), api({ responses: { 200: { content: {} } } })), `${inAnswer}: is gone`],
    ['a parameter that is gone', findBreaks(api(), api({ parameters: [] as unknown as Json })), `${call} query parameter page: is gone`],
    [
      'a parameter that is required now',
      findBreaks(
        api(),
        api({ parameters: [{ in: 'query', name: 'page', required: true, schema: { type: 'integer' } }] as unknown as Json }),
      ),
      `${call} query parameter page: is required now`,
    ],
    ['a field of a request that is gone', request(object({ a: text }), object({})), `${inBody}.a: is gone`],
    ['a field that a request must have', request(object({}), object({ a: text }, ['a'])), `${inBody}.a: is required now`],
    ['a field of another type', request(object({ a: text }), object({ a: { type: 'number' } })), `${inBody}.a: was string, is number`],
    [
      'fewer values in a request',
      request(object({ a: oneOf('x', 'y') }), object({ a: oneOf('x') })),
      `${inBody}.a: "y" is no longer taken`,
    ],
    [
      'a choice of values where all were taken',
      request(object({ a: text }), object({ a: oneOf('x') })),
      `${inBody}.a: only certain values are taken now`,
    ],
    [
      'one form fewer in a request',
      request(object({ a: either('string', 'number') }), object({ a: text })),
      `${inBody}.a: number of before is no longer taken`,
    ],
    [
      'a lower limit',
      request(object({ a: { ...text, maxLength: 9 } }), object({ a: { ...text, maxLength: 8 } })),
      `${inBody}.a: maxLength is stricter`,
    ],
    [
      'a limit where none was',
      request(object({ a: text }), object({ a: { ...text, minLength: 1 } })),
      `${inBody}.a: minLength is stricter`,
    ],
    [
      'a pattern where none was',
      request(object({ a: text }), object({ a: { ...text, pattern: 'x' } })),
      `${inBody}.a: pattern is stricter`,
    ],
    ['an answer without a field', answer(object({ b: text }, ['b']), object({})), `${inAnswer}.b: is gone`],
    ['a field that an answer may lack', answer(object({ b: text }, ['b']), object({ b: text })), `${inAnswer}.b: may be missing now`],
    [
      'a value that is new in an answer',
      answer(object({ b: oneOf('x') }), object({ b: oneOf('x', 'y') })),
      `${inAnswer}.b: "y" is new in an answer`,
    ],
    [
      'a form that is new in an answer',
      answer(object({ b: text }), object({ b: either('string', 'null') })),
      `${inAnswer}.b: null is new in an answer`,
    ],
    [
      'a part of a list',
      answer(object({ b: { type: 'array', items: text } }), object({ b: { type: 'array', items: { type: 'number' } } })),
      `${inAnswer}.b[]: was string, is number`,
    ],
  ])('is %s', (_what, found, line) => {
    expect(found).toEqual([line]);
  });
});

describe('what a client may ignore', () => {
  test.each<[string, readonly string[]]>([
    ['nothing', findBreaks(api(), api())],
    ['a new call', findBreaks({ paths: {} }, api())],
    ['a field that a request may have', request(object({}), object({ a: text }))],
    ['a field that a request may leave out now', request(object({ a: text }, ['a']), object({ a: text }))],
    ['more values in a request', request(object({ a: oneOf('x') }), object({ a: oneOf('x', 'y') }))],
    ['another form in a request', request(object({ a: text }), object({ a: either('string', 'null') }))],
    ['a field that is new in an answer', answer(object({}), object({ b: text }, ['b']))],
    ['fewer values in an answer', answer(object({ b: oneOf('x', 'y') }), object({ b: oneOf('x') }))],
    ['whole numbers for numbers in an answer', answer(object({ b: { type: 'number' } }), object({ b: { type: 'integer' } }))],
    ['a schema that holds itself', answer({ $ref: '#/components/schemas/Tree' }, { $ref: '#/components/schemas/Tree' })],
  ])('is %s', (_what, found) => {
    expect(found).toEqual([]);
  });

  test.each(['node', 'v1', 'classic', 'operator'])('the description of %s compared with itself, and with one field taken out', (name) => {
    const file = path.join(import.meta.dirname, `../../../../docs/openapi/${name}.json`);
    const description = readFileSync(file, 'utf8');
    expect(findBreaks(JSON.parse(description) as Json, JSON.parse(description) as Json)).toEqual([]);
    const without = description.replaceAll('"jobId"', '"jobIdentifier"');
    if (without !== description) expect(findBreaks(JSON.parse(description) as Json, JSON.parse(without) as Json)).not.toEqual([]);
  });
});
