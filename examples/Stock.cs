// Answers in C#: reserves articles, and keeps count as long as the process lives.
// workmanager: topic=Stock reply-topic=replies

using System.Text.Json;
using CloudNative.CloudEvents;

public class Stock
{
    private record Wish(string Article, int Count);

    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    private readonly Dictionary<string, int> shelf = new() { ["bolt"] = 10, ["nut"] = 4 };

    public async Task<CloudEvent> ProcessAsync(CloudEvent e)
    {
        var wish = ((JsonElement)e.Data!).Deserialize<Wish>(Web)!;
        await Task.Yield();
        var left = shelf.GetValueOrDefault(wish.Article) - wish.Count;
        Console.WriteLine($"{wish.Article}: {left} left");
        if (left >= 0) shelf[wish.Article] = left;
        return new CloudEvent
        {
            Type = left >= 0 ? "stock.reserved" : "stock.missing",
            Subject = wish.Article,
            Data = new { article = wish.Article, left },
        };
    }
}
