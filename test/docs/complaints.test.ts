import { readFileSync, readdirSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docs/complaints.md', root), 'utf8');
const rows = [...text.matchAll(/^\| (?!complaint |mistake |-)(.+?) +\| .+? +\| \[(.+)\]\(\.\.\/(.+)\) +\|$/gm)].map(
  ([, complaint = '', words = '', file = '']) => ({ complaint, words, file }),
);
const files = readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(test|suite)\.ts$/.test(file));
const named = files.flatMap((file) =>
  [...readFileSync(new URL(`test/${file}`, root), 'utf8').matchAll(/\(complaint: (.+?)\)(?=['"`])/g)].map(([, words = '']) => ({
    file: `test/${file}`,
    words,
  })),
);

describe('docs/complaints.md', () => {
  test('has the complaints of users and the mistakes of earlier services', () => {
    expect(rows.length).toBeGreaterThan(60);
    expect(new Set(rows.map(({ complaint }) => complaint)).size).toBe(rows.length);
  });

  test.each(rows)('$complaint has a test', ({ words, file }) => {
    expect(named).toContainEqual({ file, words });
  });

  test('leaves out no test that is named after a complaint', () => {
    const known = rows.map(({ words, file }) => ({ words, file }));
    expect(named.filter(({ words, file }) => !known.some((row) => row.words === words && row.file === file))).toEqual([]);
  });
});
