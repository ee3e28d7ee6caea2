import { offerThings, type Description } from './offers.ts';

const answer = { description: 'x', content: { 'application/json': { schema: { $ref: '#/components/schemas/Job' } } } };
const document = {
  components: {
    schemas: {
      Job: { type: 'object', properties: { jobId: { type: 'string' } }, required: ['jobId'] },
      Asset: { type: 'object', properties: { did: { type: 'string' } } },
      Start: { type: 'object', properties: { asset: { $ref: '#/components/schemas/Asset' }, note: {} }, required: ['note'] },
    },
  },
  paths: {
    '/jobs': {
      get: { parameters: [{ name: 'jobId', in: 'query', schema: { type: 'string' } }], responses: { 200: answer } },
      post: {
        requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Start' } } } },
        responses: {
          200: { description: 'x', content: { 'text/event-stream': { schema: { type: 'string' } } } },
          204: { description: 'x' },
        },
      },
    },
  },
} satisfies Description;

interface Offered {
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly paths: {
    readonly '/jobs': { readonly get: Readonly<Record<string, unknown>>; readonly post: Readonly<Record<string, unknown>> };
  };
}

const body = { asset: { did: 'did:op:1' } };
const offered = offerThings(document, { values: { jobId: ['a', 'b'], did: ['did:op:1'] }, bodies: { 'POST /jobs': [body] } }) as Offered;
const choice = (values: readonly string[]) => ({ anyOf: [{ allOf: [{ type: 'string' }, { not: { enum: values } }] }, { enum: values }] });

describe('a description with offers', () => {
  test('gives a parameter the choice between what exists and everything else', () => {
    expect(offered.paths['/jobs'].get['parameters']).toEqual([{ name: 'jobId', in: 'query', schema: choice(['a', 'b']) }]);
  });

  test('leaves a parameter no choice where it must fit others', () => {
    const only = { 'GET /jobs': { jobId: ['c'] } };
    const { paths } = offerThings(document, { values: { jobId: ['a', 'b'] }, only, bodies: {} }) as Offered;
    expect(paths['/jobs'].get['parameters']).toEqual([{ name: 'jobId', in: 'query', schema: { enum: ['c'] } }]);
  });

  test('gives fields of bodies the same choice, in schemas of their own', () => {
    expect(offered.components.schemas['AssetOffered']).toEqual({ type: 'object', properties: { did: choice(['did:op:1']) } });
    expect(offered.components.schemas['Asset']).toEqual(document.components.schemas.Asset);
  });

  test('offers a body like one that is good, with all other fields free', () => {
    const asset = { $ref: '#/components/schemas/AssetOffered' };
    expect(offered.paths['/jobs'].post['requestBody']).toEqual({
      content: {
        'application/json': {
          schema: {
            anyOf: [
              { $ref: '#/components/schemas/StartOffered' },
              { type: 'object', properties: { asset: { enum: [body.asset] }, note: {} }, required: ['asset'] },
            ],
          },
        },
      },
    });
    expect(offered.components.schemas['StartOffered']).toMatchObject({ properties: { asset } });
  });

  test('allows no other answers than before, but for the form of single events', () => {
    expect(offered.paths['/jobs'].get['responses']).toEqual({ 200: answer });
    expect(offered.components.schemas['Job']).toEqual(document.components.schemas.Job);
    expect(offered.paths['/jobs'].post['responses']).toEqual({
      200: { description: 'x', content: { 'text/event-stream': {} } },
      204: { description: 'x' },
    });
  });
});
