/* Opens the API reference in a real browser and sends a request from it.

   node reference.mjs CHROMIUM PAGE_URL OPERATION
   Prints as JSON the operations that it shows, the status of the answer, and what the browser complained of. */
import { launch } from "./launch.mjs";

const [executablePath, pageUrl, operation] = process.argv.slice(2);

const browser = await launch(executablePath);
try {
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(request.url()));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(pageUrl);
  await page.locator(".opblock").first().waitFor();
  const shown = await page.locator(".opblock").evaluateAll((blocks) => blocks.map((block) => block.id));
  const block = page.locator(`[id$="-${operation}"].opblock`);
  await block.locator(".opblock-summary").click();
  await block.locator(".execute").click();
  const status = await block.locator(".live-responses-table .response-col_status").last().innerText();
  console.log(JSON.stringify({ shown, status: parseInt(status), complaints }));
} finally {
  await browser.close();
}
