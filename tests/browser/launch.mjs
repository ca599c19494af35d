import { chromium } from "playwright-core";

/* A headless Chromium. Playwright gives it a fresh profile, switches off updates and background traffic, and ends it with
   this process. */
export function launch(executablePath) {
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox", // machines that run tests as root, in containers
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
}
