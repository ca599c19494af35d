/* Loads one picture, one sound and one video into a page of another origin, in a real browser, and tells how it went.

   node elements.mjs CHROMIUM PAGE_URL '{"img": url, "audio": url, "video": url}'
   Prints what was measured as JSON. */
import { launch } from "./launch.mjs";

const [executablePath, pageUrl, urls] = process.argv.slice(2);
const media = JSON.parse(urls);

const browser = await launch(executablePath);
try {
  const page = await browser.newPage();
  await page.goto(pageUrl);
  const measured = await page.evaluate(async ({ img, audio, video }) => {
    const PATIENCE_MILLISECONDS = 30_000;

    function event(element, name) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${element.localName}: no ${name}`)), PATIENCE_MILLISECONDS);
        element.addEventListener(name, () => (clearTimeout(timer), resolve()), { once: true });
        element.addEventListener("error", () => (clearTimeout(timer), reject(new Error(`${element.localName}: ${element.error?.message}`))), { once: true });
      });
    }

    function advanced(element, past) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${element.localName}: does not play`)), PATIENCE_MILLISECONDS);
        element.addEventListener("timeupdate", () => {
          if (element.currentTime > past) (clearTimeout(timer), resolve());
        });
      });
    }

    async function loaded(name, url, begun) {
      const element = document.body.appendChild(document.createElement(name));
      const done = event(element, begun);
      element.src = url;
      await done;
      return element;
    }

    async function played(name, url) {
      const element = await loaded(name, url, "loadedmetadata");
      element.muted = name === "video";
      await element.play();
      await advanced(element, 0.2);
      element.pause();
      const target = element.duration * 0.8;
      const seeked = event(element, "seeked");
      element.currentTime = target;
      await seeked;
      return {
        duration: element.duration,
        target,
        currentTime: element.currentTime,
        width: element.videoWidth ?? 0,
        height: element.videoHeight ?? 0,
      };
    }

    const picture = await loaded("img", img, "load");
    return {
      img: { width: picture.naturalWidth, height: picture.naturalHeight },
      audio: await played("audio", audio),
      video: await played("video", video),
    };
  }, media);
  console.log(JSON.stringify(measured));
} finally {
  await browser.close();
}
