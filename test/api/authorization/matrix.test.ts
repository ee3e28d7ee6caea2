import { readFileSync } from 'node:fs';
import { classicRoutes } from '../../../api/classic/routes.ts';
import { nodeRoutes } from '../../../api/node/routes.ts';
import { describeApi } from '../../../api/openapi.ts';
import { operatorRoutes } from '../../../api/operator/routes.ts';
import type { Route } from '../../../api/route.ts';
import { v1Routes } from '../../../api/v1/routes.ts';
import { attacks, rights, type Ask, type AttackName, type RightName } from './credentials.ts';
import { openRoutes, ownedRows, surfaces, type Expected, type OwnedRow, type Surface } from './rows.ts';
import { canary, startAuthorizationScene, type AuthorizationScene } from './scene.ts';
import { send, type Answered } from './send.ts';

let scene: AuthorizationScene;
beforeAll(async () => {
  scene = await startAuthorizationScene();
}, 90_000);
afterAll(() => scene.close(), 30_000);

type Paths = Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;

const idsIn = (paths: unknown): readonly string[] =>
  Object.values(paths as Paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
const routes: Readonly<Record<Surface, readonly unknown[]>> = {
  ...{ node: nodeRoutes, v1: v1Routes, classic: classicRoutes, operator: operatorRoutes },
};
const readDescription = (surface: Surface): { readonly paths: unknown } =>
  JSON.parse(readFileSync(new URL(`../../../docs/openapi/${surface}.json`, import.meta.url), 'utf8')) as { paths: unknown };

const meets = (expected: Expected, { status, text }: Answered): void => {
  const answered = `${status} ${text}`;
  expect(answered).toMatch(typeof expected === 'number' ? new RegExp(`^${expected} `) : expected);
};

/** What of the owner's is in an answer and was not in the request. */
const leaksIn = ({ text, headers }: Answered, asked: Ask): readonly string[] => {
  const { jobs, orders, tokens } = scene;
  const secrets = [
    canary,
    ...Object.values(jobs),
    ...Object.values(orders).map(({ transferTxId }) => transferTxId),
    ...Object.values(tokens),
  ];
  const known = JSON.stringify(asked);
  return secrets.filter((secret) => `${text}\n${headers}`.includes(secret) && !known.includes(secret));
};

describe.each(surfaces)('the description of the %s API', (surface) => {
  test('has no route of which nobody has decided who may use it, and none is decided that it has not', () => {
    const decided = [...ownedRows.filter((row) => row.surface === surface).map(({ id }) => id), ...Object.keys(openRoutes[surface])];
    expect(decided.toSorted()).toEqual(idsIn(readDescription(surface).paths).toSorted());
    expect(decided.toSorted()).toEqual(idsIn(describeApi(routes[surface] as readonly Route[], '0').paths).toSorted());
  });
});

test('every row names every attack, or says why one is none', () => {
  for (const { refusals, without, id } of ownedRows) {
    const isComplete = Object.keys(refusals).length === Object.keys(attacks).length;
    expect([id, isComplete]).toEqual([id, without === undefined]);
  }
});

describe.each(ownedRows.map((row): [Surface, string, string, OwnedRow] => [row.surface, row.id, row.object, row]))(
  '%s %s keeps the %s',
  (surface, _id, _object, row) => {
    const refusals = Object.entries(row.refusals) as [AttackName, Expected][];

    test.each(refusals)('from %s', async (attack, expected) => {
      const before = await scene.look();
      const asked = row.ask(scene, attacks[attack](scene));
      const answer = await send(scene.urls[surface], asked);
      meets(expected, answer);
      // refused by the route, in its words, and not by the server for its form
      expect(answer.text).not.toBe('');
      expect(leaksIn(answer, asked)).toEqual([]);
      expect(await scene.look()).toEqual(before);
    });
  },
);

// last, because it stops jobs and ends tokens
describe.each(ownedRows.map((row): [Surface, string, OwnedRow] => [row.surface, row.id, row]))('%s %s', (surface, _id, row) => {
  test.each(Object.entries(row.grants) as [RightName, Expected][])(
    'takes the same request with a %s of the owner',
    async (right, expected) => {
      meets(expected, await send(scene.urls[surface], row.ask(scene, rights[right](scene))));
    },
  );
});
