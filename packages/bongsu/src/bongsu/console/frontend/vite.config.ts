import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../static/dist",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    manifest: "manifest.json",
    modulePreload: false,
    target: ["chrome123", "firefox121", "safari17.5"],
    rolldownOptions: { input: "src/main.ts" },
  },
});
