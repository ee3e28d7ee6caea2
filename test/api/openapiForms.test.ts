import { z } from 'zod';
import { describeApi } from '../../api/openapi.ts';
import { correctForms } from '../../api/openapiForms.ts';
import type { Route } from '../../api/route.ts';

const reference = { $ref: '#/components/schemas/Reason' };

describe('nullable references', () => {
  test.each<[string, object, object]>([
    ['a nullable reference takes null', { allOf: [reference, { type: ['object', 'null'] }] }, { anyOf: [reference, { type: 'null' }] }],
    [
      'and keeps what is said beside it',
      { description: 'why', allOf: [reference, { type: ['object', 'null'] }] },
      { description: 'why', anyOf: [reference, { type: 'null' }] },
    ],
    [
      'a reference with more conditions keeps them',
      { allOf: [reference, { type: ['object', 'null'], minProperties: 1 }] },
      { allOf: [reference, { type: ['object', 'null'], minProperties: 1 }] },
    ],
    ['both at once stay both at once', { allOf: [reference, { type: 'object' }] }, { allOf: [reference, { type: 'object' }] }],
    ['a list keeps its schema', { type: 'array', items: reference }, { type: 'array', items: reference }],
    ['examples are no schemas, and lists stay lists', { enum: [['a', 'b']], required: ['x'] }, { enum: [['a', 'b']], required: ['x'] }],
  ])('%s, at any depth', (_what, generated, correct) => {
    expect(correctForms(generated)).toEqual(correct);
    expect(correctForms({ properties: { deep: { items: generated } } })).toEqual({ properties: { deep: { items: correct } } });
  });

  test('what routes declare comes out in these forms', () => {
    const reason = z.strictObject({ code: z.string() }).meta({ id: 'Reason' });
    const schema = z.strictObject({ known: reason, refusal: reason.nullable() });
    const route: Route = {
      ...{ method: 'get', path: '/x', id: 'x', summary: 'x', refusals: [], handle: () => [] },
      answers: { 200: { description: 'x', contentType: 'application/json', schema } },
    };
    const document = JSON.parse(JSON.stringify(describeApi([route], '1'))) as { paths: Record<string, { get: { responses: object } }> };
    expect(document.paths['/x']?.get.responses).toMatchObject({
      200: {
        content: {
          'application/json': {
            schema: {
              properties: {
                refusal: { anyOf: [reference, { type: 'null' }] },
              },
            },
          },
        },
      },
    });
  });
});
