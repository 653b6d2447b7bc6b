// Makes the page: node build.mjs <empty folder>. Names of assets carry the digest of what they hold.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build } from "esbuild";

const out = process.argv[2];
const { metafile } = await build({
  entryPoints: { quicklook: "src/main.ts", style: "src/style.css" },
  entryNames: "[name]-[hash]",
  outdir: out,
  bundle: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: "es2022",
  legalComments: "inline",
  logLevel: "warning",
});
let page = await readFile("src/index.html", "utf8");
for (const [path, { entryPoint }] of Object.entries(metafile.outputs))
  page = page.replace(entryPoint.slice("src/".length), path.split("/").at(-1));
await writeFile(join(out, "index.html"), page);

// Compressed once, here, and never while somebody waits.
for (const name of await readdir(out)) {
  const content = await readFile(join(out, name));
  await writeFile(join(out, `${name}.gz`), gzipSync(content, { level: 9 }));
  const most = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  await writeFile(join(out, `${name}.br`), brotliCompressSync(content, { params: most }));
}
