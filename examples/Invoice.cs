// Answers created orders with an invoice, in the words and numbers of the customer's language.
// workmanager: topic=orders filter=event.type == "order.created" reply-topic=replies

using System.Globalization;
using System.Text.Json;
using CloudNative.CloudEvents;

public static class Invoice
{
    private record Line(string Name, decimal Price, int Count);
    private record Order(int Id, string Language, Line[] Lines);

    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    public static CloudEvent Process(CloudEvent e)
    {
        var order = ((JsonElement)e.Data!).Deserialize<Order>(Web)!;
        var culture = new CultureInfo(order.Language);
        var lines = order.Lines.Select(line => $"{line.Count} x {line.Name}: {(line.Price * line.Count).ToString("N2", culture)}");
        var total = order.Lines.Sum(line => line.Price * line.Count);
        return new CloudEvent
        {
            Type = "invoice.written",
            Subject = order.Id.ToString(),
            DataContentType = "text/plain",
            Data = string.Join("\n", lines.Append($"= {total.ToString("N2", culture)}")),
        };
    }
}
